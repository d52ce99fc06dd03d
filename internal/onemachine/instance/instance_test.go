package instance

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func anyID(int) error { return nil }

func home(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}

func TestInstancesGetNumbersOfTheirOwnAndKeepThem(t *testing.T) {
	claims := Claims{Dir: filepath.Join(t.TempDir(), "claims")}
	a, b := home(t), home(t)
	for _, step := range []struct {
		home string
		want int
	}{{a, 1}, {b, 2}, {a, 1}, {b, 2}} {
		got, err := claims.Claim(step.home, anyID)
		if err != nil || got != step.want {
			t.Fatalf("claim of %s: %d, %v; want %d", step.home, got, err, step.want)
		}
	}
}

func TestAClaimOfADeletedHomeIsFreeAgain(t *testing.T) {
	claims := Claims{Dir: filepath.Join(t.TempDir(), "claims")}
	gone, next := home(t), home(t)
	if _, err := claims.Claim(gone, anyID); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	if id, err := claims.Claim(next, anyID); err != nil || id != 1 {
		t.Fatalf("got %d, %v", id, err)
	}
}

func TestAnInstanceThatIsUpKeepsItsNumberThoughItsHomeIsDeleted(t *testing.T) {
	claims := Claims{Dir: filepath.Join(t.TempDir(), "claims"), RunRoot: t.TempDir()}
	gone, next := home(t), home(t)
	if _, err := claims.Claim(gone, anyID); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(claims.RunRoot, "1"), 0o700), os.RemoveAll(gone)); err != nil {
		t.Fatal(err)
	}
	if id, ok := claims.ID(gone); !ok || id != 1 {
		t.Errorf("the running instance is not found: %d, %v", id, ok)
	}
	if id, err := claims.Claim(next, anyID); err != nil || id != 2 {
		t.Errorf("another instance got %d, %v", id, err)
	}
}

func TestANumberInUseByOthersIsSkipped(t *testing.T) {
	claims := Claims{Dir: filepath.Join(t.TempDir(), "claims")}
	busy := func(id int) error {
		if id < 3 {
			return errors.New("subnet in use")
		}
		return nil
	}
	if id, err := claims.Claim(home(t), busy); err != nil || id != 3 {
		t.Fatalf("got %d, %v", id, err)
	}
}

func TestTheLastReleaseDeletesTheRecord(t *testing.T) {
	claims := Claims{Dir: filepath.Join(t.TempDir(), "claims")}
	a, b := home(t), home(t)
	for _, h := range []string{a, b} {
		if _, err := claims.Claim(h, anyID); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range []string{a, b} {
		if err := claims.Release(h); err != nil {
			t.Fatal(err)
		}
		_, err := os.Stat(claims.Dir)
		if exists := err == nil; exists != (i == 0) {
			t.Fatalf("after release %d the record exists: %v", i, exists)
		}
	}
}

func TestANumberOfAnotherInstanceIsNotTaken(t *testing.T) {
	claims := Claims{Dir: filepath.Join(t.TempDir(), "claims")}
	a, b := home(t), home(t)
	if _, err := claims.Claim(a, anyID); err != nil {
		t.Fatal(err)
	}
	if err := claims.Confirm(1, b); err == nil {
		t.Fatal("two homes have number 1")
	}
	if err := claims.Confirm(1, a); err != nil {
		t.Fatal(err)
	}
}

func TestInstanceComesBackAsSaved(t *testing.T) {
	in := Instance{ID: 7, Home: home(t), Subnet: Subnet(7), Hosts: 3, Options: Options{Accelerator: "auto", BinDir: "/opt/bin", HostCPUs: 2, HostMemory: 1 << 30}}
	if err := in.Save(); err != nil {
		t.Fatal(err)
	}
	got, err := Load(in.Home)
	if err != nil || got != in {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestLoadSaysWhereNothingIs(t *testing.T) {
	if _, err := Load(home(t)); !errors.Is(err, ErrNone) {
		t.Fatalf("got %v", err)
	}
}

func TestTwoCannotWorkOnOneInstance(t *testing.T) {
	dir := home(t)
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); err == nil {
		t.Fatal("locked twice")
	}
	unlock()
	unlock, err = Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

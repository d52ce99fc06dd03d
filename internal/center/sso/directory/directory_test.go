package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pacific/internal/center/sso/password"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

const good = "Correct-Horse-1"

var cheap = password.Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1}

type fixture struct {
	*Directory
	t       *testing.T
	records *store.Store
	now     time.Time
	secret  string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, records: storetest.New(t), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	f.Directory = f.open(cheap)
	if err := f.Bootstrap(t.Context(), func(_, secret string) error { f.secret = secret; return nil }); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) open(p password.Parameters) *Directory {
	f.t.Helper()
	d, err := New(f.records, "pacific.local", Options{Parameters: p, Now: func() time.Time { return f.now }})
	if err != nil {
		f.t.Fatal(err)
	}
	return d
}

func (f *fixture) user(name string) User {
	f.t.Helper()
	user, err := f.CreateUser(f.t.Context(), name, Profile{}, good)
	if err != nil {
		f.t.Fatal(err)
	}
	return user
}

func (f *fixture) group(name string, members ...Subject) {
	f.t.Helper()
	if _, err := f.CreateGroup(f.t.Context(), name, ""); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.AddMembers(f.t.Context(), name, members); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) groupsOf(name string) []string {
	f.t.Helper()
	groups, err := f.GroupsOf(f.t.Context(), Subject{UserType, name, f.Domain}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	return names
}

func TestTheFirstStartMakesTheAdministratorOnce(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	if _, err := f.Authenticate(ctx, "Administrator", f.secret); err != nil {
		t.Errorf("the announced password: %v", err)
	}
	again := func(string, string) error { t.Error("announced again"); return nil }
	if err := f.open(cheap).Bootstrap(ctx, again); err != nil {
		t.Error(err)
	}
	other, _ := New(f.records, "corp.local", Options{Parameters: cheap})
	if err := other.Bootstrap(ctx, again); err == nil {
		t.Error("the domain changed")
	}
	administrator, _, err := f.RolesOf(ctx, Subject{UserType, "administrator", f.Domain}, []Subject{{GroupType, "Administrators", f.Domain}})
	if !administrator || err != nil {
		t.Errorf("role: %v, %v", administrator, err)
	}
}

// Killed after the password was handed over and before anything was written, and killed before that: the next start does it all.
func TestAFirstStartThatWasCutOffIsDoneAgain(t *testing.T) {
	ctx := t.Context()
	d, err := New(storetest.New(t), "pacific.local", Options{Parameters: cheap})
	if err != nil {
		t.Fatal(err)
	}
	killed, cancel := context.WithCancel(ctx)
	if err := d.Bootstrap(killed, func(string, string) error { cancel(); return nil }); err == nil {
		t.Fatal("it was not cut off")
	}
	if err := d.Bootstrap(ctx, func(string, string) error { return errors.New("disk full") }); err == nil {
		t.Fatal("a password that nobody got is in force")
	}
	var secret string
	if err := d.Bootstrap(ctx, func(_, s string) error { secret = s; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(ctx, "administrator", secret); err != nil {
		t.Error(err)
	}
}

func TestAuthenticate(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.user("dev1")
	for _, test := range []struct {
		name, password string
		want           error
	}{
		{"dev1", good, nil}, {"DEV1", good, nil}, {"dev1", good + "x", ErrCredentials}, {"dev1", "", ErrCredentials},
		{"nobody", good, ErrCredentials}, {"", "", ErrCredentials}, {"-07", good, ErrCredentials}, {"a/b", good, ErrCredentials},
		{strings.Repeat("x", 5000), good, ErrCredentials}, {"dev1", strings.Repeat("x", 1<<20), ErrCredentials},
	} {
		if _, err := f.Authenticate(ctx, test.name, test.password); !errors.Is(err, test.want) {
			t.Errorf("%.20q %.20q: %v", test.name, test.password, err)
		}
	}
	if _, err := f.UpdateUser(ctx, "dev1", func(_ *Profile, disabled *bool) { *disabled = true }); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(ctx, "dev1", good); !errors.Is(err, ErrRefused) {
		t.Errorf("disabled: %v", err)
	}
	if _, err := f.Authenticate(ctx, "dev1", "wrong"); !errors.Is(err, ErrCredentials) {
		t.Errorf("disabled, wrong password: %v", err)
	}
}

func TestLockOut(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.user("dev1")
	fail := func(n int) {
		for range n {
			if _, err := f.Authenticate(ctx, "dev1", "wrong"); !errors.Is(err, ErrCredentials) {
				t.Fatal(err)
			}
		}
	}
	expect := func(why string, want error) {
		t.Helper()
		if _, err := f.Authenticate(ctx, "dev1", good); !errors.Is(err, want) {
			t.Errorf("%s: %v", why, err)
		}
	}
	fail(4)
	expect("four failures", nil)
	fail(4)
	expect("the success before started anew", nil)
	fail(5)
	expect("five failures", ErrCredentials)
	if locked, err := f.LockedUntil(ctx); len(locked) != 1 || locked["dev1"].IsZero() || err != nil {
		t.Errorf("%v, %v", locked, err)
	}
	f.now = f.now.Add(299 * time.Second)
	expect("before its end", ErrCredentials)
	f.now = f.now.Add(2 * time.Second)
	fail(1)
	expect("after its end one failure does not lock again", nil)
	fail(4)
	f.now = f.now.Add(181 * time.Second)
	fail(1)
	expect("failures further apart than the window", nil)
	fail(5)
	if err := f.Unlock(ctx, "dev1"); err != nil {
		t.Fatal(err)
	}
	expect("unlocked", nil)
	fail(5)
	f.Directory = f.open(cheap)
	expect("a restart does not unlock", ErrCredentials)
}

func TestGuessesAtOnceAreNoMoreGuesses(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := f.Authenticate(t.Context(), "dev1", fmt.Sprint(i)); !errors.Is(err, ErrCredentials) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	record, _, err := f.failures.Get(t.Context(), "dev1")
	if err != nil || record.Count != 5 {
		t.Errorf("%d guesses were checked, %v", record.Count, err)
	}
}

// Of an unknown user no trace may tell that it is unknown: the same answer, the same writes, and no record for each name.
func TestUnknownUsersCostTheSameAndLeaveNothing(t *testing.T) {
	f := newFixture(t)
	for i := range 3 * decoys {
		_, unknown := f.Authenticate(t.Context(), fmt.Sprintf("nobody%d", i), "wrong")
		if unknown == nil || unknown.Error() != ErrCredentials.Error() {
			t.Fatal(unknown)
		}
	}
	items, err := f.failures.List(t.Context())
	if err != nil || len(items) == 0 || len(items) > decoys {
		t.Errorf("%d records, %v", len(items), err)
	}
}

func TestPasswords(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	before := f.user("dev1")
	if _, err := f.CreateUser(ctx, "dev2", Profile{}, "weak"); !errors.Is(err, ErrInvalid) {
		t.Errorf("a weak one: %v", err)
	}
	if err := f.SetPassword(ctx, "dev1", good); !errors.Is(err, ErrInvalid) {
		t.Errorf("the same again: %v", err)
	}
	if err := f.ChangePassword(ctx, "dev1", "wrong", "Other-Horse-2"); !errors.Is(err, ErrCredentials) {
		t.Errorf("without knowing the present one: %v", err)
	}
	if err := f.ChangePassword(ctx, "dev1", good, "Other-Horse-2"); err != nil {
		t.Error(err)
	}
	if err := f.SetPassword(ctx, "dev1", good); !errors.Is(err, ErrInvalid) {
		t.Errorf("the one before: %v", err)
	}
	after, err := f.Authenticate(ctx, "dev1", "Other-Horse-2")
	if err != nil || after.Epoch != before.Epoch+1 {
		t.Errorf("epoch %d, %v: sessions must end", after.Epoch, err)
	}
	if _, err := f.ChangePolicy(ctx, func(p *password.Policy) { p.MaxAgeDays = 90 }); err != nil {
		t.Fatal(err)
	}
	f.now = f.now.AddDate(0, 0, 91)
	if _, err := f.Authenticate(ctx, "dev1", "Other-Horse-2"); !errors.Is(err, ErrRefused) {
		t.Errorf("expired: %v", err)
	}
	if err := f.ChangePassword(ctx, "dev1", "Other-Horse-2", "Third-Horse-3"); err != nil {
		t.Errorf("the user cannot replace an expired one: %v", err)
	}
	if _, err := f.ChangePolicy(ctx, func(p *password.Policy) { p.MinLength = 0 }); !errors.Is(err, ErrInvalid) {
		t.Errorf("policy: %v", err)
	}
}

func TestALoginHashesAnewWithNewParameters(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	old := f.user("dev1")
	raised := cheap
	raised.Passes = 2
	if _, err := f.open(raised).Authenticate(ctx, "dev1", good); err != nil {
		t.Fatal(err)
	}
	user, err := f.User(ctx, "dev1")
	if err != nil || user.Hash == old.Hash || !strings.Contains(user.Hash, "t=2") || user.Epoch != old.Epoch {
		t.Errorf("%+v, %v", user, err)
	}
}

func TestGroupsNest(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	f.user("dev2")
	f.group("inner", Subject{UserType, "dev1", f.Domain})
	f.group("outer", Subject{GroupType, "inner", f.Domain})
	if _, err := f.AddMembers(t.Context(), "inner", []Subject{{GroupType, "outer", f.Domain}}); err != nil {
		t.Fatalf("a circle: %v", err)
	}
	if got := f.groupsOf("dev1"); !slices.Equal(got, []string{"Everyone", "inner", "outer"}) {
		t.Errorf("dev1 is in %v", got)
	}
	if got := f.groupsOf("dev2"); !slices.Equal(got, []string{"Everyone"}) {
		t.Errorf("dev2 is in %v", got)
	}
}

func TestANamesakeInheritsNothing(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	first := f.user("dev1")
	dev := Subject{UserType, "dev1", f.Domain}
	f.group("team", dev)
	if _, err := f.SetPermission(ctx, Permission{dev, Administrator}); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteUser(ctx, "Dev1"); err != nil {
		t.Fatal(err)
	}
	if second := f.user("dev1"); second.UID == first.UID {
		t.Error("the same UID")
	}
	if got := f.groupsOf("dev1"); !slices.Equal(got, []string{"Everyone"}) {
		t.Errorf("groups: %v", got)
	}
	if administrator, _, err := f.RolesOf(ctx, dev, nil); administrator || err != nil {
		t.Errorf("role: %v, %v", administrator, err)
	}
}

func TestRoles(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.user("dev1")
	dev := Subject{UserType, "dev1", f.Domain}
	team := Subject{GroupType, "team", f.Domain}
	f.group("team", dev)
	expect := func(wantAdministrator, wantReadOnly bool) {
		t.Helper()
		administrator, readOnly, err := f.RolesOf(ctx, dev, []Subject{team})
		if administrator != wantAdministrator || readOnly != wantReadOnly || err != nil {
			t.Errorf("administrator %v, read-only %v, %v", administrator, readOnly, err)
		}
	}
	set := func(s Subject, role string) {
		t.Helper()
		if _, err := f.SetPermission(ctx, Permission{s, role}); err != nil {
			t.Fatal(err)
		}
	}
	expect(false, false)
	set(team, ReadOnly)
	expect(false, true)
	set(dev, Administrator)
	expect(true, true)
	set(dev, ReadOnly)
	expect(false, true)
	if err := errors.Join(f.DeletePermission(ctx, dev), f.DeletePermission(ctx, team)); err != nil {
		t.Fatal(err)
	}
	expect(false, false)
}

func TestWhatIsBuiltInStays(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	administrators := Subject{GroupType, AdministratorsGroup, f.Domain}
	_, demoted := f.SetPermission(ctx, Permission{administrators, ReadOnly})
	_, removed := f.RemoveMembers(ctx, "administrators", []Subject{{UserType, "Administrator", f.Domain}})
	_, disabled := f.UpdateUser(ctx, "administrator", func(_ *Profile, d *bool) { *d = true })
	_, everyone := f.CreateGroup(ctx, "everyone", "")
	for what, err := range map[string]error{
		"user": f.DeleteUser(ctx, "Administrator"), "group": f.DeleteGroup(ctx, "Administrators"),
		"permission": f.DeletePermission(ctx, administrators), "demoted": demoted, "removed": removed, "disabled": disabled, "everyone": everyone,
	} {
		if !errors.Is(err, ErrBuiltIn) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBadInput(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.user("dev1")
	_, twice := f.CreateUser(ctx, "DEV1", Profile{}, good)
	if !errors.Is(twice, store.ErrExists) {
		t.Errorf("twice: %v", twice)
	}
	for _, name := range []string{"", "a b", "ä", "a/b", "../x", ".a", "a@b", `d\a`, "-x", strings.Repeat("a", 65), "a<b", "a\x00"} {
		_, user := f.CreateUser(ctx, name, Profile{}, good)
		_, group := f.CreateGroup(ctx, name, "")
		if !errors.Is(user, ErrInvalid) || !errors.Is(group, ErrInvalid) {
			t.Errorf("%q: user %v, group %v", name, user, group)
		}
	}
	_, profile := f.CreateUser(ctx, "x", Profile{Email: "a\nb"}, good)
	_, domain := f.AddMembers(ctx, "Administrators", []Subject{{UserType, "x", "other.domain"}})
	_, kind := f.AddMembers(ctx, "Administrators", []Subject{{"HOST", "x", f.Domain}})
	_, role := f.SetPermission(ctx, Permission{Subject{UserType, "dev1", f.Domain}, "Root"})
	_, self := f.AddMembers(ctx, "Administrators", []Subject{{GroupType, "administrators", ""}})
	_, certificate := f.CreateSolutionUser(ctx, "svc", Profile{}, "no PEM")
	for what, err := range map[string]error{"profile": profile, "domain": domain, "kind": kind, "role": role, "self": self, "certificate": certificate} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, member := f.AddMembers(ctx, "Administrators", []Subject{{UserType, "nobody", f.Domain}})
	_, group := f.AddMembers(ctx, "nothing", nil)
	for what, err := range map[string]error{"member": member, "group": group, "user": f.DeleteUser(ctx, "nobody"), "password": f.SetPassword(ctx, "nobody", good), "unlock": f.Unlock(ctx, "a/b")} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

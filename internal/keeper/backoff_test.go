package keeper

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	var b backoff
	for i, want := range []time.Duration{0, 1, 2, 4, 8, 16, 30, 30} {
		if got := b.next(time.Second); got != want*time.Second {
			t.Errorf("failure %d: %s", i+1, got)
		}
	}
	if got := b.next(2 * time.Minute); got != 0 {
		t.Errorf("after a healthy run: %s", got)
	}
	if got := b.next(0); got != time.Second {
		t.Errorf("after that: %s", got)
	}
}

func TestALargeLogIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "d.log")
	for range 2 {
		log, err := OpenLog(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		log.Close()
	}
	if err := os.Truncate(path, maxLog+1); err != nil {
		t.Fatal(err)
	}
	log, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	log.Close()
	old, err := os.Stat(path + ".1")
	if err != nil || old.Size() != maxLog+1 {
		t.Fatalf("%v, %v", old, err)
	}
}

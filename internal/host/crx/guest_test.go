package crx

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pacific/api/crx"
)

func TestFindVersion(t *testing.T) {
	image := []byte("\x00Linux version %s (%s)\x00\xff Linux version 6.1.170-crx (root@builder) (gcc 12)\x00")
	if version, ok := findVersion(image); !ok || version != "6.1.170-crx" {
		t.Errorf("%q %v", version, ok)
	}
	if version, ok := findVersion([]byte("Linux version ")); ok {
		t.Errorf("%q", version)
	}
}

func TestInitrdFollowsItsContents(t *testing.T) {
	guestDir, stateDir := t.TempDir(), t.TempDir()
	put := func(name, text string) {
		path := filepath.Join(guestDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	guest := OpenGuest(guestDir)
	initrds, err := OpenInitrds(guest, stateDir)
	if err != nil {
		t.Fatal(err)
	}
	path := func(personality string) string {
		t.Helper()
		path, err := initrds.Path(personality)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := initrds.Path("agent"); !errors.Is(err, ErrMissing) {
		t.Errorf("%v, want %v", err, ErrMissing)
	}
	put("crx-init", "init")
	put("personalities/agent", "agent")
	first := path("agent")
	if path("agent") != first {
		t.Error("the same contents have two paths")
	}
	put("personalities/agent", "a newer agent")
	second := path("agent")
	if second == first {
		t.Error("other contents have the same path")
	}
	if _, err := os.Stat(first); !os.IsNotExist(err) {
		t.Errorf("the old one is kept: %v", err)
	}
	path(crx.PersonalityProbe)
	if _, err := os.Stat(second); err != nil {
		t.Errorf("another personality's went: %v", err)
	}
	if _, err := initrds.Path("../agent"); err == nil {
		t.Error("a personality is a path")
	}
}

package keeper

import (
	"os"
	"path/filepath"
	"testing"
)

func TestALargeLogIsMovedAsideUnderItsDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.log")
	daemon, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	for _, step := range []struct {
		line        string
		limit       int64
		want, older string
	}{
		{"one\n", 100, "one\n", ""},
		{"two\n", 5, "", "one\ntwo\n"},
		{"three\n", 5, "", "three\n"},
		{"four\n", 5, "four\n", "three\n"},
	} {
		if _, err := daemon.WriteString(step.line); err != nil {
			t.Fatal(err)
		}
		if err := trim(path, step.limit); err != nil {
			t.Fatal(err)
		}
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		older, _ := os.ReadFile(path + ".1")
		if string(now) != step.want || string(older) != step.older {
			t.Errorf("after %q: the log is %q, the older %q", step.line, now, older)
		}
	}
	if err := trim(filepath.Join(t.TempDir(), "none"), 1); err != nil {
		t.Error(err)
	}
}

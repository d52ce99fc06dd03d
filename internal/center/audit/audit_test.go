package audit

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestEventsAreKeptOverRestartsAndRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log", "audit.log")
	const events = 10
	for n := range events {
		l, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		l.max = 300
		if err := l.Write(Event{Time: time.Now(), User: "a@b", Call: "POST /x", Status: n}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	for _, file := range []string{path, path + ".1", path + ".2", path + ".3"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		defer f.Close()
		if info, _ := f.Stat(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
		for lines := bufio.NewScanner(f); lines.Scan(); seen++ {
			var e Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.User != "a@b" {
				t.Errorf("%s: %v", lines.Text(), err)
			}
		}
	}
	if seen != events {
		t.Errorf("%d of %d events", seen, events)
	}
}

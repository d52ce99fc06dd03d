package mount

import (
	"os"
	"path/filepath"
	"testing"

	agentv1 "pacific/api/agent/v1"
)

func TestWriteSingle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volumes", "v")
	var first os.FileInfo
	for _, content := range []string{"a longer text", "short", "", "again"} {
		if err := WriteSingle(path, &agentv1.Volume_Files{Single: true, DefaultMode: 0o644, Files: []*agentv1.File{{Path: "hosts", Data: []byte(content)}}}); err != nil {
			t.Fatal(err)
		}
		if got := read(t, filepath.Dir(path), "v"); got != content {
			t.Errorf("it has %q, want %q", got, content)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = info
		}
		if !os.SameFile(first, info) || info.Mode() != 0o644 {
			t.Errorf("%q is in another file, or has another mode: %v", content, info.Mode())
		}
	}
	if err := WriteSingle(path, &agentv1.Volume_Files{Single: true}); err == nil {
		t.Error("no file was accepted as a single one")
	}
}

package mount

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	agentv1 "pacific/api/agent/v1"
)

func files(pairs ...string) *agentv1.Volume_Files {
	f := &agentv1.Volume_Files{DefaultMode: 0o640}
	for i := 0; i < len(pairs); i += 2 {
		f.Files = append(f.Files, &agentv1.File{Path: pairs[i], Data: []byte(pairs[i+1])})
	}
	return f
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names are the visible ones and how many generations there are.
func names(t *testing.T, dir string) (visible string, generations int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "..2"):
			generations++
		case e.Name() != dataLink:
			list = append(list, e.Name())
		}
	}
	return strings.Join(list, " "), generations
}

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	steps := []struct {
		files   *agentv1.Volume_Files
		visible string
	}{
		{files("a", "1", "deep/b", "2", "deep/er/c", "3"), "a deep"},
		{files("a", "1", "deep/b", "2", "deep/er/c", "3"), "a deep"},
		{files("a", "new", "x", "4"), "a x"},
		{files(), ""},
		{files("a", "again"), "a"},
	}
	for i, step := range steps {
		before, _ := os.Readlink(filepath.Join(dir, dataLink))
		if err := WriteFiles(dir, step.files, nil); err != nil {
			t.Fatal(err)
		}
		visible, generations := names(t, dir)
		if visible != step.visible || generations != 1 {
			t.Errorf("step %d: %q, %d generations", i, visible, generations)
		}
		for _, f := range step.files.GetFiles() {
			if got := read(t, dir, f.GetPath()); got != string(f.GetData()) {
				t.Errorf("step %d: %s has %q", i, f.GetPath(), got)
			}
		}
		if after, _ := os.Readlink(filepath.Join(dir, dataLink)); i == 1 && after != before {
			t.Error("the same files were written again")
		}
	}
	if info, _ := os.Stat(filepath.Join(dir, "a")); info.Mode().Perm() != 0o640 {
		t.Error(info.Mode())
	}
}

func TestWriteFilesStaysInside(t *testing.T) {
	for _, path := range []string{"/etc/passwd", "../x", "a/../../x", "..data", ""} {
		if err := WriteFiles(t.TempDir(), files(path, "x"), nil); err == nil {
			t.Errorf("%q was written", path)
		}
	}
}

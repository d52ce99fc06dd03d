package crx

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pacific/internal/host/disk"
)

func TestImages(t *testing.T) {
	dir := t.TempDir()
	g := OpenGuest(dir)
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("vmlinux", "")
	put("crx-init", "")
	if err := g.CheckImage("supervisor"); !errors.Is(err, ErrMissing) {
		t.Errorf("got %v", err)
	}
	put("personalities/appliance", "")
	put("supervisor/root.ext4", "12345")
	put("supervisor/version", "v1\n")
	if err := g.CheckImage("supervisor"); err != nil {
		t.Error(err)
	}
	if err := g.CheckImage("../supervisor"); err == nil {
		t.Error("a path is taken for a name")
	}
	images := g.Images()
	if len(images) != 1 || images[0].Name != "supervisor" || images[0].Version != "v1" || images[0].Bytes != 5 {
		t.Errorf("got %v", images)
	}
	path, readOnly, err := g.DiskPath(RootDisk("supervisor"))
	if err != nil || !readOnly || path != filepath.Join(dir, "supervisor/root.ext4") {
		t.Error(path, readOnly, err)
	}
	for _, id := range []string{"supervisor", RootDisk("other"), RootDisk("../supervisor")} {
		if _, _, err := g.DiskPath(id); !errors.Is(err, disk.ErrNoDisk) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

package disk

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestScratchHasNoName(t *testing.T) {
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	store, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, readOnly := range []bool{false, true} {
		file, err := store.Scratch(t.Context(), readOnly)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteAt([]byte("x"), 0); (err != nil) != readOnly {
			t.Errorf("read only %v: a write says %v", readOnly, err)
		}
		magic := make([]byte, 2) // of the superblock
		if _, err := file.ReadAt(magic, 1024+0x38); err != nil || magic[0] != 0x53 || magic[1] != 0xef {
			t.Errorf("it begins with %x %v", magic, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "scratch*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if disks, err := store.List(); err != nil || len(disks) != 0 {
		t.Errorf("disks %v %v", disks, err)
	}
}

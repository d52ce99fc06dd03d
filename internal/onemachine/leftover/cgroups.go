package leftover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// RemoveCgroup deletes a cgroup with all below it in every hierarchy. Its processes must be gone.
func RemoveCgroup(cgroup string) error {
	var errs []error
	for _, dir := range cgroupDirs(cgroup) {
		errs = append(errs, removeTree(dir))
	}
	return errors.Join(errs...)
}

func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("list cgroup %s: %w", dir, err)
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if err := removeOne(dir); err != nil {
			return fmt.Errorf("delete cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// removeOne tries for a while: a process leaves its cgroup a moment after others see it dead, and there is nothing to
// wait on.
func removeOne(dir string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}

package mount

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Overlay is a container's root file system: an image below, a directory of the ephemeral disk above.
type Overlay struct {
	Root string // where it is mounted
	dir  string
}

// NewOverlay mounts the image, which is mounted at lower, at root. What is written goes into dir, which must not exist.
func NewOverlay(lower, dir, root string) (*Overlay, error) {
	o := &Overlay{Root: root, dir: dir}
	upper, work := filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	for _, d := range []string{upper, work, root} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := copyMode(lower, upper); err != nil {
		return nil, err
	}
	// volatile: nobody reads the upper directory again after a crash of the VM, so it needs no syncs.
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,volatile", lower, upper, work)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("mount the root file system over %s: %w", lower, err)
	}
	return o, nil
}

// copyMode gives the root directory of the container the owner and the mode of the image's.
func copyMode(from, to string) error {
	var s unix.Stat_t
	if err := unix.Stat(from, &s); err != nil {
		return &os.PathError{Op: "stat", Path: from, Err: err}
	}
	if err := os.Chown(to, int(s.Uid), int(s.Gid)); err != nil {
		return err
	}
	return unix.Chmod(to, s.Mode&0o7777)
}

// Upper is the directory that holds what the container has written.
func (o *Overlay) Upper() string { return filepath.Join(o.dir, "upper") }

// Remove unmounts it and deletes what was written.
func (o *Overlay) Remove() error {
	if err := unix.Unmount(o.Root, unix.MNT_DETACH); err != nil && err != unix.EINVAL {
		return fmt.Errorf("unmount %s: %w", o.Root, err)
	}
	return os.RemoveAll(o.dir)
}

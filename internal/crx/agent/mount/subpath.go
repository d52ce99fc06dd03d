package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	pathrs "github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"
)

// SubPath binds a path within a volume to target, which another container can then not change by a link in the volume.
// A path that does not exist becomes a directory.
func SubPath(volume, subPath, target string) error {
	root, err := filepath.EvalSymlinks(volume)
	if err != nil {
		return err
	}
	handle, err := pathrs.OpenInRoot(root, subPath)
	if errors.Is(err, os.ErrNotExist) {
		handle, err = makeSubPath(root, subPath)
	}
	if err != nil {
		return fmt.Errorf("subPath %q: %w", subPath, err)
	}
	defer handle.Close()
	info, err := handle.Stat()
	if err != nil {
		return fmt.Errorf("subPath %q: %w", subPath, err)
	}
	if err := mountPoint(target, info.IsDir()); err != nil {
		return err
	}
	if err := unix.Mount(fmt.Sprintf("/proc/self/fd/%d", handle.Fd()), target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("subPath %q: bind: %w", subPath, err)
	}
	return nil
}

func makeSubPath(root, subPath string) (*os.File, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	handle, err := pathrs.MkdirAllHandle(dir, subPath, 0o755)
	if err != nil {
		return nil, err
	}
	// It gets the volume's owner and mode, as with the kubelet.
	var s unix.Stat_t
	if err := unix.Stat(root, &s); err == nil {
		name := fmt.Sprintf("/proc/self/fd/%d", handle.Fd())
		_ = os.Chown(name, int(s.Uid), int(s.Gid))
		_ = os.Chmod(name, info.Mode())
	}
	return handle, nil
}

func mountPoint(target string, dir bool) error {
	_ = unix.Unmount(target, unix.MNT_DETACH) // of an earlier run
	if dir {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

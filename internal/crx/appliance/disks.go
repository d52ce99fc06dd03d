package appliance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"pacific/api/seed"
	"pacific/internal/crx/scsi"
)

// root is where the image is mounted.
const root = "/sysroot"

// diskTimeout bounds the wait for a disk. All are plugged before the guest runs, so one that does not come is not there.
const diskTimeout = time.Minute

// shared with the program, which has the image as its root.
var shared = []string{"/proc", "/sys", "/dev", "/run", "/tmp"}

func device(ctx context.Context, what string, lun int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, diskTimeout)
	defer cancel()
	path, err := scsi.WaitDevice(ctx, lun)
	if err != nil {
		return "", fmt.Errorf("%s disk: %w", what, err)
	}
	return path, nil
}

func mountRoot(ctx context.Context) error {
	disk, err := device(ctx, "root", seed.RootLUN)
	if err != nil {
		return err
	}
	if err := mount(disk, root, "ext4", unix.MS_RDONLY|unix.MS_NODEV, "noload"); err != nil {
		return err
	}
	for _, dir := range shared {
		if err := mount(dir, filepath.Join(root, dir), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
	}
	return nil
}

// mountData mounts the disk that lasts. Its journal is played back; an error in it later stops the machine rather than to go on with
// data that is not what was written.
func mountData(ctx context.Context) error {
	disk, err := device(ctx, "data", seed.DataLUN)
	if err != nil {
		return err
	}
	target := filepath.Join(root, seed.DataDir)
	flags := uintptr(unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOATIME)
	if err := mount(disk, target, "ext4", flags, "errors=panic"); err != nil {
		return err
	}
	if err := grow(disk, target); err != nil {
		return fmt.Errorf("grow the file system on the data disk: %w", err)
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if _, err := os.Stat(target); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}

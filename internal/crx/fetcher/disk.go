package fetcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"

	fetcherv1 "pacific/api/fetcher/v1"
	"pacific/internal/crx/scsi"
)

// Filesystem of an image disk; docs/adr/0006-image-disks-are-ext4.md says why.
const Filesystem = "ext4"

// mountPoint in the initial root file system.
const mountPoint = "/run/image"

// disk is a mounted image disk.
type disk struct {
	dir    string
	bytes  uint64 // of the device, of which the file system has a part
	blocks uint64 // that it has grown to
}

// mountDisk mounts the empty file system on the disk with this LUN.
func mountDisk(ctx context.Context, lun int) (*disk, error) {
	device, err := scsi.WaitDevice(ctx, lun)
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(device)
	if err != nil {
		return nil, fmt.Errorf("size of image disk %s: %w", device, err)
	}
	if err := os.MkdirAll(mountPoint, 0o700); err != nil {
		return nil, err
	}
	// noinit_itable: the kernel shall not write the inode tables that nobody needs, the disk's file is sparse.
	// barrier=0: the file is synced by the host before it counts; a pull that is cut off starts again with a new disk.
	if err := unix.Mount(device, mountPoint, Filesystem, unix.MS_NOATIME, "noinit_itable,barrier=0"); err != nil {
		return nil, fmt.Errorf("mount image disk %s: %w", device, err)
	}
	d := &disk{dir: mountPoint, bytes: size}
	if err := d.prepare(); err != nil {
		d.unmount()
		return nil, err
	}
	return d, nil
}

// prepare makes the root directory that of an image: nothing of mke2fs in it.
func (d *disk) prepare() error {
	if err := os.RemoveAll(filepath.Join(d.dir, "lost+found")); err != nil {
		return err
	}
	return os.Chmod(d.dir, 0o755)
}

// finish gives what layers wrote and later layers deleted back to the host, unmounts, and returns the used bytes.
func (d *disk) finish() (used uint64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(d.dir, &stat); err != nil {
		return 0, fmt.Errorf("size of image disk: %w", err)
	}
	if err := d.trim(); err != nil && err != unix.EOPNOTSUPP {
		return 0, fmt.Errorf("trim image disk: %w", err)
	}
	if err := d.unmount(); err != nil {
		return 0, err
	}
	return (stat.Blocks - stat.Bfree) * uint64(stat.Bsize), nil
}

// fitrim is FITRIM of linux/fs.h, _IOWR('X', 121, struct fstrim_range).
const fitrim = 0xc0185879

// trim tells the disk which blocks are free.
func (d *disk) trim() error {
	root, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := unix.Syncfs(int(root.Fd())); err != nil {
		return err
	}
	arg := struct{ start, length, minimum uint64 }{length: ^uint64(0)}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), fitrim, uintptr(unsafe.Pointer(&arg))); errno != 0 {
		return errno
	}
	return nil
}

// unmount writes everything to the disk; an error says that the disk is not whole.
func (d *disk) unmount() error {
	if err := unix.Unmount(d.dir, 0); err != nil {
		return fail(fetcherv1.Failure_INVALID, "unmount image disk: %w", err)
	}
	return nil
}

// Package scsi finds the disks of a CRX. hostd hot-plugs them by logical unit number behind one virtio-scsi controller,
// so a disk's address in the guest is 0:0:0:LUN.
package scsi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pacific/internal/channel/uevent"
)

// WaitDevice returns the path of the block device with this LUN, e.g. "/dev/sdb". It waits until the kernel has found
// the disk and opens it, or ctx ends. It needs /sys and a devtmpfs on /dev.
func WaitDevice(ctx context.Context, lun int) (string, error) {
	var path string
	err := uevent.Await(ctx, func() (bool, error) {
		var err error
		path, err = find("/sys", "/dev", lun)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return "", fmt.Errorf("wait for scsi disk 0:0:0:%d: %w", lun, err)
	}
	return path, nil
}

// find looks the disk up; the error is fs.ErrNotExist while it is not there.
func find(sys, dev string, lun int) (string, error) {
	names, err := filepath.Glob(filepath.Join(sys, "bus/scsi/devices", fmt.Sprintf("0:0:0:%d", lun), "block", "*"))
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fs.ErrNotExist
	}
	path := filepath.Join(dev, filepath.Base(names[0]))
	// The node stands before the kernel lets anyone open it; the event comes after both.
	file, err := os.Open(path)
	switch {
	case errors.Is(err, unix.ENXIO):
		return "", fs.ErrNotExist
	case err != nil:
		return "", err
	}
	return path, file.Close()
}

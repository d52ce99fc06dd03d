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
)

// WaitDevice returns the path of the block device with this LUN, e.g. "/dev/sdb". It waits until the kernel has found
// the disk or ctx ends; it wakes by the kernel's uevents. It needs /sys and a devtmpfs on /dev.
func WaitDevice(ctx context.Context, lun int) (string, error) {
	// Listening starts before the first look, so that a disk which comes between the two is not missed.
	events, err := listen()
	if err != nil {
		return "", fmt.Errorf("scsi disk 0:0:0:%d: %w", lun, err)
	}
	defer events.Close()
	stop := context.AfterFunc(ctx, func() { events.Close() })
	defer stop()
	for {
		path, err := find("/sys", "/dev", lun)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, err
		}
		if err := events.next(); err != nil {
			if ctx.Err() != nil {
				return "", fmt.Errorf("scsi disk 0:0:0:%d did not appear: %w", lun, context.Cause(ctx))
			}
			return "", fmt.Errorf("scsi disk 0:0:0:%d: %w", lun, err)
		}
	}
}

// find looks the disk up; the error is fs.ErrNotExist while it is not there.
func find(sys, dev string, lun int) (string, error) {
	names, err := filepath.Glob(filepath.Join(sys, "bus/scsi/devices", fmt.Sprintf("0:0:0:%d", lun), "block", "*"))
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("scsi disk 0:0:0:%d: %w", lun, fs.ErrNotExist)
	}
	path := filepath.Join(dev, filepath.Base(names[0]))
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}

package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// maxDisk bounds the size of an image, uncompressed. The file is sparse: only what is used costs.
const maxDisk = 64 << 30

// minDisk is what a pull needs free on the datastore to begin.
const minDisk = 64 << 20

// diskSize is the size of a new image disk. It stays below what the datastore has free, so that a guest that fills it
// gets "no space" from its own file system and not a disk that stops answering.
func diskSize(free uint64) (uint64, error) {
	size := min(free/10*9, maxDisk) &^ (1<<20 - 1)
	if size < minDisk {
		return 0, fmt.Errorf("the datastore has %d MiB free, a pull needs %d MiB: remove images or disks", free>>20, minDisk*10/9>>20)
	}
	return size, nil
}

func freeSpace(dir string) (uint64, error) {
	disk, err := spaceOf(dir)
	return disk.free, err
}

// makeDisk makes the empty file system that a fetcher unpacks an image on.
//
//   - No journal: the disk is written once, and thrown away if that is interrupted.
//   - A sparse file reads as zeros, so neither mke2fs nor the guest needs to write inode tables.
//   - An inode for each 8 KiB: images have many small files. 256 bytes each, so that small attributes fit in.
func makeDisk(ctx context.Context, path string, size uint64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(size)), f.Close()); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "mkfs.ext4", "-F", "-q", "-b", "4096", "-m", "0", "-i", "8192", "-I", "256",
		"-O", "^has_journal,^resize_inode,sparse_super2", "-E", "lazy_itable_init=1,assume_storage_prezeroed=1,nodiscard,root_owner=0:0",
		path).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w; install the package e2fsprogs", err)
	}
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

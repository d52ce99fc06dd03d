package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
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

// firstSize of the file system on an image disk. The fetcher grows it with what it unpacks: of one that has the size of the disk, a
// mount would read hundreds of descriptors of empty groups, at the start of every pod.
const firstSize = 256 << 20

const blockSize = 4096

// makeDisk makes the empty file system that a fetcher unpacks an image on.
//
//   - No journal: the disk is written once, and thrown away if that is interrupted.
//   - A sparse file reads as zeros, so neither mke2fs nor the guest needs to write inode tables.
//   - An inode for each 8 KiB: images have many small files. 256 bytes each, so that small attributes fit in.
//   - Descriptors are reserved for groups up to the disk's end.
//   - No checksums of metadata, which the guest would compute with each inode that it reads: the disk has one over all, which is
//     compared before it is used.
func makeDisk(ctx context.Context, path string, size uint64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(size)), f.Close()); err != nil {
		return err
	}
	first := min(size, firstSize)
	options := "lazy_itable_init=1,assume_storage_prezeroed=1,nodiscard,root_owner=0:0"
	if size > first {
		options += fmt.Sprintf(",resize=%d", size/blockSize)
	}
	out, err := exec.CommandContext(ctx, "mkfs.ext4", "-F", "-q", "-b", strconv.Itoa(blockSize), "-m", "0", "-i", "8192", "-I", "256",
		"-O", "^has_journal,^metadata_csum,uninit_bg", "-E", options, path, strconv.FormatUint(first/blockSize, 10)).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w; install the package e2fsprogs", err)
	}
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

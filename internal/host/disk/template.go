package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// minimumExt4 leaves room for a journal beside some data.
const minimumExt4 = 16 << 20

// templates keeps one empty file system for each size. A disk is a copy of it, which takes milliseconds where mkfs takes
// tens of them, since nearly all of the file is a hole. All copies have the same UUID, so guests find disks by LUN.
type templates struct {
	dir string
	mu  sync.Mutex
}

func (t *templates) ext4(ctx context.Context, size uint64) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	path := filepath.Join(t.dir, fmt.Sprintf("ext4-%d.raw", size))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := blank(path+half, size); err != nil {
		return "", err
	}
	if err := errors.Join(mkfs(ctx, path+half, size), flush(path+half)); err != nil {
		return "", errors.Join(err, os.Remove(path+half))
	}
	return path, os.Rename(path+half, path)
}

// mkfs makes an ext4 for a disk that lives as long as its machine.
//
//   - With a journal, though small: a machine whose VMM was killed starts again with its disks, and nobody is there to
//     run e2fsck.
//   - A sparse file reads as zeros, so inode tables need no writing, neither now nor by the guest's kernel later.
//   - No blocks for root only: all of the disk is the machine's. No room to grow.
//   - No checksums of metadata and in the journal, which the guest would compute over each block that it reads or writes: an
//     eighth of what it executes during the start of a pod. The disk lives no longer than its machine.
func mkfs(ctx context.Context, path string, size uint64) error {
	args := []string{
		"-F", "-q", "-t", "ext4", "-m", "0", "-O", "^resize_inode,^metadata_csum,uninit_bg",
		"-E", "lazy_itable_init=1,lazy_journal_init=1,assume_storage_prezeroed=1,nodiscard",
	}
	if size >= 256<<20 {
		args = append(args, "-J", "size=16")
	}
	out, err := exec.CommandContext(ctx, "mkfs.ext4", append(args, path)...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w; install the package e2fsprogs", err)
	}
	if err != nil {
		return fmt.Errorf("mkfs.ext4: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// flush brings a file to storage. A template that lost its content with the host's power would spoil every later disk.
func flush(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

func blank(path string, size uint64) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(int64(size)), file.Close())
}

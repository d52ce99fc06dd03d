package fetcher

import (
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A file system that has much room has many groups of blocks, all of which are looked at each time that it is mounted: that of a pod's
// image, at the start of every pod. So the host makes a small one on a large disk, and it grows with what is unpacked.

// roomStep is how much of an archive is read between two looks. It has at most two thousand entries, each of which takes a block and an
// inode besides its content; leastBytes and leastInodes is far more than they can need.
const (
	roomStep    = 1 << 20
	leastBytes  = 64 << 20
	leastInodes = 8192
)

// making is r with room made for what is read.
func (t Target) making(r io.Reader) io.Reader {
	if t.Room == nil {
		return r
	}
	return &roomy{r: r, room: t.Room}
}

type roomy struct {
	r    io.Reader
	room func() error
	left int // until the next look
}

func (r *roomy) Read(p []byte) (int, error) {
	if r.left <= 0 {
		if err := r.room(); err != nil {
			return 0, err
		}
		r.left = roomStep
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// grown is the size in blocks that a file system should have which is short of blocks or inodes, 0 for one that is not: twice what it
// has, in whole groups, and no more than its disk.
func grown(stat unix.Statfs_t, disk uint64) uint64 {
	bytes := stat.Bavail * uint64(stat.Bsize)
	if bytes >= leastBytes && stat.Ffree >= leastInodes {
		return 0
	}
	group := uint64(stat.Bsize) * 8 // a block of bits
	return min((stat.Blocks*2+group-1)/group*group, disk/uint64(stat.Bsize))
}

// makeRoom grows the file system when little is left. One that has all of its disk is left to run out of space.
func (d *disk) makeRoom() error {
	var stat unix.Statfs_t
	if err := unix.Statfs(d.dir, &stat); err != nil {
		return fmt.Errorf("room on the image disk: %w", err)
	}
	blocks := grown(stat, d.bytes)
	if blocks <= d.blocks {
		return nil
	}
	root, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), resizeFS, uintptr(unsafe.Pointer(&blocks))); errno != 0 {
		return fmt.Errorf("grow the image disk to %d blocks: %w", blocks, errno)
	}
	d.blocks = blocks
	return nil
}

// resizeFS is EXT4_IOC_RESIZE_FS of the kernel's fs/ext4/ext4.h, _IOW('f', 16, __u64).
const resizeFS = 0x40086610

// sizeOf a block device in bytes.
func sizeOf(device string) (uint64, error) {
	file, err := os.Open(device)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	end, err := file.Seek(0, io.SeekEnd)
	return uint64(end), err
}

package appliance

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resizeFS is EXT4_IOC_RESIZE_FS of fs/ext4/ext4.h, _IOW('f', 16, __u64).
const resizeFS = 0x40086610

// smallGrowth is not worth a resize: the last, incomplete group of blocks is never used.
const smallGrowth = 128 << 20

// grow makes the file system as large as its disk, which may have been made larger while the machine was off.
func grow(disk, target string) error {
	device, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer device.Close()
	var bytes uint64
	if err := ioctl(device, unix.BLKGETSIZE64, unsafe.Pointer(&bytes)); err != nil {
		return fmt.Errorf("size of %s: %w", disk, err)
	}
	dir, err := os.Open(target)
	if err != nil {
		return err
	}
	defer dir.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &stat); err != nil {
		return err
	}
	// statfs leaves out the file system's own tables, a few percent of the disk; less than that needs no growth.
	have := stat.Blocks * uint64(stat.Bsize)
	if bytes < have+have/8+smallGrowth {
		return nil
	}
	blocks := bytes / uint64(stat.Bsize)
	return ioctl(dir, resizeFS, unsafe.Pointer(&blocks))
}

func ioctl(file *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, file.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

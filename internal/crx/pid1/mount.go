package pid1

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// movePoint is where the root is bound on its way to "/".
const movePoint = "/.root"

// makeRootPivotable puts a mount of the initial root file system over itself. pivot_root, and so every container
// runtime, refuses to leave a root that no other mount lies below; the initramfs is the only such mount there is. Nothing is
// copied.
func makeRootPivotable() error {
	if err := os.MkdirAll(movePoint, 0o755); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"bind / to " + movePoint, func() error { return unix.Mount("/", movePoint, "", unix.MS_BIND|unix.MS_REC, "") }},
		{"enter " + movePoint, func() error { return unix.Chdir(movePoint) }},
		{"move it to /", func() error { return unix.Mount(movePoint, "/", "", unix.MS_MOVE, "") }},
		{"make it the root", func() error { return unix.Chroot(".") }},
		{"enter /", func() error { return unix.Chdir("/") }},
		{"remove " + movePoint, func() error { return os.Remove(movePoint) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// mountPoint is one of the file systems that every CRX has.
type mountPoint struct {
	target, fstype string
	flags          uintptr
	data           string
}

const noExec = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// PID 1 and the personality stay in the root of the cgroup tree: that one may hold processes and pass on controllers at
// the same time. The personality decides which controllers its containers get.
var mountPoints = []mountPoint{
	{"/proc", "proc", noExec, ""},
	{"/sys", "sysfs", noExec, ""},
	{"/sys/fs/cgroup", "cgroup2", noExec, "nsdelegate,memory_recursiveprot"},
	{"/dev", "devtmpfs", unix.MS_NOSUID | unix.MS_NOEXEC, "mode=0755"},
	{"/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
	{"/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"/dev/mqueue", "mqueue", noExec, ""},
	{"/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"},
	{"/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
}

// devLinks are the links in /dev that user space expects and devtmpfs does not make.
var devLinks = [][2]string{
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
}

func mountAll() error {
	for _, m := range mountPoints {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return err
		}
		err := unix.Mount(m.fstype, m.target, m.fstype, m.flags, m.data)
		// The kernel may have mounted /dev already (CONFIG_DEVTMPFS_MOUNT).
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
		}
	}
	for _, l := range devLinks {
		if err := os.Symlink(l[0], l[1]); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

package scsi

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// uevents is a netlink socket subscribed to the kernel's device events.
type uevents struct{ file *os.File }

// kernelGroup is the multicast group in which the kernel itself speaks (udev forwards in another).
const kernelGroup = 1

func listen() (*uevents, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open uevent socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind uevent socket: %w", err)
	}
	// A non-blocking descriptor in an os.File waits in Go's poller, and Close wakes the waiter.
	return &uevents{os.NewFile(uintptr(fd), "uevent")}, nil
}

// next returns after the next event, whatever it is: callers look at the file system again.
func (u *uevents) next() error {
	_, err := u.file.Read(make([]byte, 8192))
	if errors.Is(err, unix.ENOBUFS) {
		return nil // events were lost, which is as good a reason to look again
	}
	return err
}

func (u *uevents) Close() error { return u.file.Close() }

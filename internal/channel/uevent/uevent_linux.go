// Package uevent waits for devices by the kernel's own announcements.
package uevent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Await returns when found is true. It asks once, then again after every event of a device, until ctx ends or found fails.
func Await(ctx context.Context, found func() (bool, error)) error {
	if ok, err := found(); ok || err != nil {
		return err
	}
	events, err := subscribe()
	if err != nil {
		return err
	}
	defer events.Close()
	defer context.AfterFunc(ctx, func() { events.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 16<<10)
	for {
		// Asked after the subscription, so that no event is missed.
		if ok, err := found(); ok || err != nil {
			return err
		}
		_, err := events.Read(buf)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, unix.ENOBUFS): // events were lost: ask again
		case err != nil:
			return fmt.Errorf("wait for device events: %w", err)
		}
	}
}

const kernelGroup = 1

func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("subscribe to device events: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("subscribe to device events: %w", err)
	}
	return os.NewFile(uintptr(fd), "uevent"), nil
}

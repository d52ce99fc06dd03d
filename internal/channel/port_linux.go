package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"pacific/internal/channel/uevent"

	"golang.org/x/sys/unix"
)

// FindPort returns the character device of the virtio-serial port with this name. It waits for it: the kernel learns the
// names of ports from the device after it has booted.
func FindPort(ctx context.Context, name string) (string, error) {
	var device string
	err := uevent.Await(ctx, func() (bool, error) {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return false, err
		}
		for _, file := range names {
			if b, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(b)) == name {
				device = filepath.Join("/dev", filepath.Base(filepath.Dir(file)))
				_, err := os.Stat(device)
				return err == nil, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return "", fmt.Errorf("virtio-serial port %s: %w", name, err)
	}
	return device, nil
}

// devicePort is a port of virtio_console. With no host connected the driver answers a read with 0 bytes at once and
// wakes the waiters when a host connects, so a reader must wait for that edge after it has seen the 0, not read again.
type devicePort struct {
	*os.File
	raw    syscall.RawConn
	hungUp bool
}

func openPort(path string) (*devicePort, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the personality channel: %w", err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &devicePort{File: f, raw: raw, hungUp: true}, nil
}

func (p *devicePort) Read(b []byte) (n int, err error) {
	waitErr := p.raw.Read(func(fd uintptr) bool {
		for n, err = unix.Read(int(fd), b); errors.Is(err, unix.EINTR); {
			n, err = unix.Read(int(fd), b)
		}
		switch {
		case errors.Is(err, unix.EAGAIN):
			p.hungUp = false
			return false
		case err == nil && n == 0 && p.hungUp:
			return false
		case err == nil && n == 0:
			p.hungUp = true
			err = io.EOF
		case err == nil:
			p.hungUp = false
		}
		return true
	})
	if waitErr != nil {
		return 0, waitErr
	}
	if err != nil {
		n = 0
	}
	return n, err
}

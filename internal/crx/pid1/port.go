package pid1

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

const portsDir = "/sys/class/virtio-ports"

// findInitPort returns the device of the init port, or "" while the kernel does not know it yet: ports and their names
// come one after another, from the host.
func findInitPort() (string, error) {
	entries, err := os.ReadDir(portsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for _, e := range entries {
		name, err := os.ReadFile(filepath.Join(portsDir, e.Name(), "name"))
		if err == nil && strings.TrimSpace(string(name)) == crx.InitPort {
			return "/dev/" + e.Name(), nil
		}
	}
	return "", nil
}

// openUevents returns a socket on which the kernel announces devices. It only wakes; what is there is read from sysfs.
func openUevents() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return -1, fmt.Errorf("listen to uevents: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listen to uevents: %w", err)
	}
	return fd, nil
}

// drain empties a non-blocking file descriptor. Its content does not matter.
func drain(fd int) {
	var buf [4096]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if n <= 0 && err != unix.EINTR && err != unix.ENOBUFS {
			return
		}
	}
}

package probe

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"
)

func noLinger(_ context.Context, _, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// Best effort, as it only saves sockets.
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1})
	})
}

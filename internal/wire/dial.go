package wire

import (
	"context"
	"net"
	"runtime"
)

// Dial connects from inside a namespace. The address must be numeric, since names are resolved elsewhere.
func Dial(ctx context.Context, namespace, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// The thread stays in the namespace and dies with the goroutine; the connection belongs to the namespace that its
		// socket was made in.
		runtime.LockOSThread()
		if err := Enter(namespace); err != nil {
			done <- result{nil, err}
			return
		}
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

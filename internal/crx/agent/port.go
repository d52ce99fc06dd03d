package agent

import (
	"context"
	"io"
	"net"
	"strconv"
	"time"

	"pacific/internal/channel"
)

// lingerTime is how long a server in the pod may go on sending after the client has ended its side. The channel has no
// reset, so a client that has gone looks the same.
const lingerTime = 5 * time.Minute

// forward connects a stream to a port on the pod's loopback.
func forward(conn net.Conn, port int32) {
	target, err := dialLoopback(port)
	if err != nil {
		return
	}
	defer target.Close()
	go func() {
		_, _ = io.Copy(target, conn)
		_ = target.CloseWrite()
		_ = target.SetReadDeadline(time.Now().Add(lingerTime))
	}()
	_, _ = io.Copy(conn, target)
	if s, ok := conn.(*channel.Stream); ok {
		_ = s.CloseWrite()
	}
}

func dialLoopback(port int32) (*net.TCPConn, error) {
	var failed error
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
		if err == nil {
			return conn.(*net.TCPConn), nil
		}
		if failed == nil {
			failed = err
		}
	}
	return nil, failed
}

package channel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"

	"github.com/hashicorp/yamux"
)

// Dial connects to the guest behind the VMM's unix socket. It waits as long as ctx allows for a guest that still boots.
// A socket serves one client at a time: a second Dial waits until the first session is closed.
func Dial(ctx context.Context, socketPath string) (*Session, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socketPath)
	if err != nil {
		return nil, fmt.Errorf("connect to the guest: %w", err)
	}
	session, err := NewSession(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("handshake with the guest behind %s: %w", socketPath, err)
	}
	return session, nil
}

// NewSession begins a conversation as the host over a connection to the guest. The session owns conn when err is nil.
func NewSession(ctx context.Context, conn net.Conn) (*Session, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	in := bufio.NewReaderSize(conn, 64<<10)
	err := greet(conn, in)
	if !stop() {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	mux, err := yamux.Client(&hostConn{Conn: conn, in: in, out: escaper{w: conn}}, config())
	if err != nil {
		return nil, err
	}
	return &Session{mux}, nil
}

func greet(w io.Writer, in *bufio.Reader) error {
	nonce := newNonce()
	if _, err := io.WriteString(w, helloPrefix+nonce+"\n"); err != nil {
		return err
	}
	return awaitReady(in, nonce)
}

type hostConn struct {
	net.Conn
	in  *bufio.Reader
	out escaper
}

func (c *hostConn) Read(p []byte) (int, error)  { return c.in.Read(p) }
func (c *hostConn) Write(p []byte) (int, error) { return c.out.Write(p) }

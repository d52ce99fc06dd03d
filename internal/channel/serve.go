package channel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/yamux"
)

// Serve opens the port, a virtio-serial character device, and calls handle with each session, in a goroutine of its own.
// It returns when ctx ends or the port is gone for good. A host that disconnects only ends the session. opened is called
// once the port is open, that is when a host can be heard; nil for nothing.
func Serve(ctx context.Context, portPath string, opened func(), handle func(*Session)) error {
	p, err := openPort(portPath)
	if err != nil {
		return err
	}
	defer p.Close()
	if opened != nil {
		opened()
	}
	return serve(ctx, p, handle)
}

// port is the guest's end. Read returns io.EOF once when the host disconnects; the next Read waits for the next host.
type port interface {
	io.ReadWriter
	SetDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// ServeConn does the same over a connection within one machine, to its end or that of ctx.
func ServeConn(ctx context.Context, conn net.Conn, handle func(*Session)) error {
	return serve(ctx, conn, handle)
}

func serve(ctx context.Context, p port, handle func(*Session)) error {
	defer context.AfterFunc(ctx, func() { p.SetDeadline(time.Unix(1, 0)) })()
	in := &inbound{r: bufio.NewReaderSize(p, 64<<10)}
	for {
		err := converse(ctx, p, in, handle)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("personality channel: %w", err)
		}
	}
}

// converse serves one conversation to its end; an error is of the port, not of the conversation.
func converse(ctx context.Context, p port, in *inbound, handle func(*Session)) error {
	nonce, err := in.hello()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := io.WriteString(p, readyPrefix+nonce+"\n"); err != nil {
		return err
	}
	mux, err := yamux.Server(&guestConn{port: p, in: in}, config())
	if err != nil {
		return err
	}
	go handle(&Session{mux})
	select {
	case <-mux.CloseChan():
	case <-ctx.Done():
	}
	mux.Close() // waits until nothing of the session touches the port
	if ctx.Err() == nil {
		p.SetDeadline(time.Time{})
	}
	return nil
}

type guestConn struct {
	port
	in *inbound
}

func (c *guestConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// Close frees the session's reader and writer from the port, which stays open.
func (c *guestConn) Close() error { return c.port.SetDeadline(time.Unix(1, 0)) }

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"pacific/internal/channel"
)

// dialTimeout bounds one connection of the fetcher, name resolution included.
const dialTimeout = 10 * time.Second

// maxConnections bounds what one fetcher has open.
const maxConnections = 32

// services are what the host does for a fetcher on the streams that it opens.
type services struct {
	policy policy
	layers layerKeeper
}

// serve answers streams until the session or ctx ends; then no connection is left.
func (v services) serve(ctx context.Context, s session) {
	free := make(chan struct{}, maxConnections)
	for {
		header, stream, err := s.Accept()
		if err != nil {
			return
		}
		select {
		case free <- struct{}{}:
		default:
			refuse(stream, fmt.Errorf("%d connections are open already", maxConnections))
			continue
		}
		go func() {
			defer func() { <-free }()
			defer stream.Close()
			defer context.AfterFunc(ctx, func() { stream.Close() })()
			v.answer(ctx, header, stream)
		}()
	}
}

func (v services) answer(ctx context.Context, header channel.Header, stream net.Conn) {
	switch header.Kind {
	case channel.KindDial:
		serveDial(ctx, header, stream, v.policy)
	case channel.KindLayer:
		v.layers.serve(ctx, header.Layer, stream)
	case channel.KindSum:
		serveSum(stream)
	}
}

func serveDial(ctx context.Context, header channel.Header, stream net.Conn, p policy) {
	conn, err := p.dial(ctx, header.Address)
	if err != nil {
		refuse(stream, err)
		return
	}
	defer conn.Close()
	if err := channel.WriteLine(stream, channel.DialResult{}); err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { conn.Close(); stream.Close() })()
	splice(stream, conn)
}

func refuse(stream net.Conn, err error) {
	channel.WriteLine(stream, channel.DialResult{Error: err.Error()})
	stream.Close()
}

// dial connects to an address that the policy allows. The check is made on the address of the socket, so that a name
// that resolves differently a second time gains nothing.
func (p policy) dial(ctx context.Context, address string) (net.Conn, error) {
	var refused error
	dialer := net.Dialer{
		Timeout: dialTimeout,
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return err
			}
			refused = p.allow(address, to)
			return refused
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	var op *net.OpError
	switch {
	case refused != nil && err != nil:
		return nil, refused
	case errors.As(err, &op):
		return nil, op.Err // the fetcher says itself what it dialled
	}
	return conn, err
}

// splice copies both ways until both ends have said all.
func splice(a, b net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pour(a, b)
	}()
	pour(b, a)
	<-done
}

// pour copies, then passes the end of the stream on; an error ends the other direction too.
func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok {
		to.Close()
		from.Close()
		return
	}
	if err := half.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
		to.Close()
	}
}

package fetcher

import (
	"context"
	"errors"
	"net"
	"time"

	"pacific/internal/channel"
	"pacific/internal/ociclient"
)

// Dialer connects through the host: each connection is a stream of the personality channel.
func Dialer(session *channel.Session) ociclient.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, session, address)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: hostPort(address), Err: err}
		}
		return conn, nil
	}
}

func dial(ctx context.Context, session *channel.Session, address string) (net.Conn, error) {
	conn, err := session.Open(ctx, channel.Header{Kind: channel.KindDial, Address: address})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	var result channel.DialResult
	err = channel.ReadLine(conn, &result)
	switch {
	case !stop():
		err = context.Cause(ctx)
	case err == nil && result.Error != "":
		err = errors.New(result.Error)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// hostPort is an address that the host resolves.
type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (h hostPort) String() string { return string(h) }

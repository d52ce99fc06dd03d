package fetcher

import (
	"net"

	"pacific/internal/channel"
)

// listener gives ttrpc the streams of kind rpc that the host opens.
type listener struct{ session *channel.Session }

func (l *listener) Accept() (net.Conn, error) {
	for {
		header, conn, err := l.session.Accept()
		if err != nil {
			return nil, err
		}
		if header.Kind == channel.KindRPC {
			return conn, nil
		}
		conn.Close()
	}
}

func (l *listener) Close() error   { return l.session.Close() }
func (l *listener) Addr() net.Addr { return hostPort(channel.KindRPC) }

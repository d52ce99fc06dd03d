package channel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/hashicorp/yamux"
)

// Session is one conversation over the channel. It ends when either end goes away.
type Session struct {
	mux *yamux.Session
}

// Stream is a connection within a session.
type Stream struct {
	*yamux.Stream
}

// CloseWrite sends the end of the stream; the peer may go on sending.
func (s *Stream) CloseWrite() error { return s.Stream.Close() }

// Close ends the stream. yamux knows no reset, so what the peer still sends is read and thrown away, lest it block there.
func (s *Stream) Close() error {
	err := s.Stream.Close()
	go io.Copy(io.Discard, s.Stream)
	return err
}

// maxHeader bounds the first line of a stream.
const maxHeader = 64 << 10

// headerTimeout bounds the wait for it: the peer writes it right after it has opened the stream.
const headerTimeout = time.Minute

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.AcceptBacklog = 1024
	// A virtio-serial port does not lose bytes, and each end sees the other go. A busy host may stop a guest for a long
	// time: that is no reason to end what runs in it.
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = 10 * time.Minute
	c.StreamOpenTimeout = 0
	// One direction may outlive the other for as long as it likes (a process that reads its input late).
	c.StreamCloseTimeout = 0
	c.MaxStreamWindowSize = 1 << 20
	c.LogOutput = io.Discard
	return c
}

// Open opens a stream with this header.
func (s *Session) Open(ctx context.Context, h Header) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	mux, err := s.mux.OpenStream()
	if err != nil {
		return nil, fmt.Errorf("open a stream of kind %s: %w", h.Kind, err)
	}
	stream := &Stream{mux}
	if err := WriteLine(stream, h); err != nil {
		stream.Close()
		return nil, fmt.Errorf("open a stream of kind %s: %w", h.Kind, err)
	}
	return stream, nil
}

// Accept returns the next stream that the peer opens. Its error is permanent: the session has ended.
func (s *Session) Accept() (Header, net.Conn, error) {
	for {
		mux, err := s.mux.AcceptStream()
		if err != nil {
			return Header{}, nil, err
		}
		stream := &Stream{mux}
		var h Header
		stream.SetReadDeadline(time.Now().Add(headerTimeout))
		if err := ReadLine(stream, &h); err != nil {
			stream.Close()
			continue
		}
		stream.SetReadDeadline(time.Time{})
		return h, stream, nil
	}
}

// RPC opens a stream for ttrpc. One ttrpc stream that is not read any more stops all calls of the same client, so a watch gets
// a client of its own, which is closed to end it.
func (s *Session) RPC(ctx context.Context) (*ttrpc.Client, error) {
	conn, err := s.Open(ctx, Header{Kind: KindRPC})
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(conn), nil
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Close ends the session and all its streams.
func (s *Session) Close() error { return s.mux.Close() }

// WriteLine writes v as one line of JSON: a Header, a DialResult.
func WriteLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// ReadLine reads one line of JSON and not a byte more.
func ReadLine(r io.Reader, v any) error {
	var line bytes.Buffer
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		if b[0] == '\n' {
			return json.Unmarshal(line.Bytes(), v)
		}
		if line.WriteByte(b[0]); line.Len() > maxHeader {
			return errors.New("the line is too long")
		}
	}
}

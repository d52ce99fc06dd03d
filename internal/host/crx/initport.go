package crx

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"pacific/api/crx"
)

// maxLine bounds what a guest can make the host hold: it is not trusted.
const maxLine = 64 << 10

// InitPort is the connection to PID 1 of one CRX.
type InitPort struct {
	conn  *net.UnixConn
	lines *bufio.Scanner
	mu    sync.Mutex
}

// DialInit connects to the socket of a CRX's init port.
func DialInit(socket string) (*InitPort, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("connect to PID 1: %w", err)
	}
	// An empty line ends what a hostd before us may have left half written, and asks PID 1 for its state.
	if _, err := conn.Write([]byte{'\n'}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask PID 1 for its state: %w", err)
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	return &InitPort{conn: conn, lines: lines}, nil
}

// Next returns the next message of PID 1. What is not a message is skipped: after a restart of hostd the first line may be the
// rest of one.
func (p *InitPort) Next() (crx.Message, error) {
	for p.lines.Scan() {
		var message crx.Message
		if json.Unmarshal(p.lines.Bytes(), &message) == nil {
			return message, nil
		}
	}
	if err := p.lines.Err(); err != nil {
		return crx.Message{}, err
	}
	return crx.Message{}, io.EOF
}

// SetDeadline ends a Next that waits too long, and with it the connection.
func (p *InitPort) SetDeadline(t time.Time) error { return p.conn.SetReadDeadline(t) }

// Receive hands each message of PID 1 to handle until the connection ends.
func (p *InitPort) Receive(handle func(crx.Message)) {
	for {
		message, err := p.Next()
		if err != nil {
			p.conn.Close()
			return
		}
		handle(message)
	}
}

// Send writes a message. It does not wait for PID 1 to read it.
func (p *InitPort) Send(message crx.Message) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// A guest that does not read must not hold up hostd; these lines fit into the socket's buffer.
	if err := p.conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = p.conn.Write(append(line, '\n'))
	return err
}

// Drain lets Receive end as soon as it has handled what has arrived.
func (p *InitPort) Drain() { _ = p.conn.CloseRead() }

// Close ends the connection and with it Receive.
func (p *InitPort) Close() error { return p.conn.Close() }

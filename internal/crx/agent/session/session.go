package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Session is an exec or attach session.
type Session interface {
	// Connect serves one of the session's streams until it ends: "stdin", "stdout" or "stderr". It closes conn.
	Connect(stream string, conn net.Conn)
	Resize(width, height uint16) error
	// Wait returns when the process has ended.
	Wait(ctx context.Context) (exitCode int32, err error)
	// Close gives up whatever the session still holds.
	Close()
}

// Table holds the sessions of the host that is connected.
type Table struct {
	mu       sync.Mutex
	sessions map[string]Session
}

// Add names a session.
func (t *Table) Add(s Session) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions == nil {
		t.sessions = map[string]Session{}
	}
	id := rand.Text()
	t.sessions[id] = s
	return id
}

// Get returns a session.
func (t *Table) Get(id string) (Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.sessions[id]
	if !ok {
		return nil, fmt.Errorf("session %s: %w", id, ErrNotFound)
	}
	return s, nil
}

// ErrNotFound is for a session that was closed, or that another conversation with the host began.
var ErrNotFound = errors.New("not found")

// Close closes a session; none when there is none.
func (t *Table) Close(id string) {
	t.mu.Lock()
	s := t.sessions[id]
	delete(t.sessions, id)
	t.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

// CloseAll closes all sessions: their host has gone.
func (t *Table) CloseAll() {
	t.mu.Lock()
	all := t.sessions
	t.sessions = nil
	t.mu.Unlock()
	for _, s := range all {
		s.Close()
	}
}

// input copies what the host sends to a process until the host ends it; then ended is called.
func input(w io.Writer, conn net.Conn, ended func()) {
	_, err := io.Copy(w, conn)
	conn.Close()
	if err == nil && ended != nil {
		ended()
	}
}

// untilHostLeaves calls gone when the host closes an output stream, on which it sends nothing.
func untilHostLeaves(conn net.Conn, gone func()) {
	_, _ = io.Copy(io.Discard, conn)
	gone()
}

package session

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
)

// Exec is the session of a process that was started for it.
type Exec struct {
	stdio  *Stdio
	resize func(width, height uint16) error
	ended  chan struct{}
	code   int32
	err    error

	mu    sync.Mutex
	taken map[string]bool
}

// NewExec makes the session of a running process. wait returns its exit code.
func NewExec(stdio *Stdio, resize func(width, height uint16) error, wait func() int32) *Exec {
	e := &Exec{stdio: stdio, resize: resize, ended: make(chan struct{}), taken: map[string]bool{}}
	go func() {
		e.code = wait()
		close(e.ended)
	}()
	return e
}

// FailedExec is the session of a process that could not be started.
func FailedExec(code int32, err error) *Exec {
	e := &Exec{stdio: &Stdio{}, code: code, err: err, ended: make(chan struct{}), taken: map[string]bool{}}
	close(e.ended)
	return e
}

// Connect serves a stream; each once.
func (e *Exec) Connect(stream string, conn net.Conn) {
	if !e.take(stream) {
		conn.Close()
		return
	}
	switch stream {
	case "stdin":
		if e.stdio.In != nil {
			input(e.stdio.In, conn, e.stdio.CloseIn)
			return
		}
	case "stdout":
		e.output(e.stdio.Out, conn)
	case "stderr":
		e.output(e.stdio.Err, conn)
	}
	conn.Close()
}

func (e *Exec) take(stream string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.taken[stream] {
		return false
	}
	e.taken[stream] = true
	return true
}

func (e *Exec) output(from *os.File, conn net.Conn) {
	if from == nil {
		return
	}
	go untilHostLeaves(conn, func() { from.Close() })
	_ = CopyOutput(conn, from)
}

// Resize sets the size of the terminal.
func (e *Exec) Resize(width, height uint16) error {
	if e.resize == nil {
		return errors.New("the process has no terminal")
	}
	return e.resize(width, height)
}

// Wait returns when the process has ended. What it has written may still be on its way.
func (e *Exec) Wait(ctx context.Context) (int32, error) {
	select {
	case <-e.ended:
		return e.code, e.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Close closes the process's streams. The process goes on, as with the kubelet, unless it minds.
func (e *Exec) Close() { e.stdio.Close() }

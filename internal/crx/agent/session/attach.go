package session

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Main is the standard streams of a container's first process: logged, attached to any number of times.
type Main struct {
	stdio     *Stdio
	out, err  *Fan
	stdinOnce bool
	copies    sync.WaitGroup
	ended     chan struct{}
	code      int32
	resize    func(width, height uint16) error
}

// NewMain makes it. Run starts it.
func NewMain(stdio *Stdio, stdout, stderr *Fan, stdinOnce bool, resize func(width, height uint16) error) *Main {
	return &Main{stdio: stdio, out: stdout, err: stderr, stdinOnce: stdinOnce, resize: resize, ended: make(chan struct{})}
}

// Run begins to copy what the process writes.
func (m *Main) Run() {
	m.copies.Go(func() { _ = CopyOutput(m.out, m.stdio.Out) })
	if m.stdio.Err != nil {
		m.copies.Go(func() { _ = CopyOutput(m.err, m.stdio.Err) })
	}
}

// drainTime is how long output is awaited after all processes of a container have ended. Only a process of another
// container, to which the descriptor was passed, can hold it longer.
const drainTime = 2 * time.Second

// End is called when all processes of the container have ended. It returns when their output is copied.
func (m *Main) End(code int32) {
	m.stdio.Drain(drainTime)
	m.copies.Wait()
	m.out.End()
	m.err.End()
	m.stdio.Close()
	m.code = code
	close(m.ended)
}

// Attach makes a session.
func (m *Main) Attach() Session { return &attach{m: m} }

type attach struct {
	m *Main

	mu    sync.Mutex
	conns []net.Conn
}

// Connect serves a stream.
func (a *attach) Connect(stream string, conn net.Conn) {
	a.mu.Lock()
	a.conns = append(a.conns, conn)
	a.mu.Unlock()
	switch stream {
	case "stdin":
		if a.m.stdio.In != nil {
			input(a.m.stdio.In, conn, a.inputEnded)
			return
		}
	case "stdout":
		a.output(a.m.out, conn)
	case "stderr":
		a.output(a.m.err, conn)
	}
	conn.Close()
}

// inputEnded: a container keeps its input for the next one to attach, unless it wants only one.
func (a *attach) inputEnded() {
	if a.m.stdinOnce {
		a.m.stdio.CloseIn()
	}
}

func (a *attach) output(f *Fan, conn net.Conn) {
	tap := f.Add(conn)
	go untilHostLeaves(conn, func() { f.Remove(tap) })
	<-tap.Done()
}

func (a *attach) Resize(width, height uint16) error {
	if a.m.resize == nil {
		return errors.New("the container has no terminal")
	}
	return a.m.resize(width, height)
}

func (a *attach) Wait(ctx context.Context) (int32, error) {
	select {
	case <-a.m.ended:
		return a.m.code, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (a *attach) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		c.Close()
	}
}

// Package agent is the spherelet agent: it runs the containers of one pod in the pod's VM, whether or not anybody is
// connected, and serves api/agent/v1 and the streams of internal/channel to whoever is.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel"
	"pacific/internal/crx/agent/runtime"
	"pacific/internal/crx/agent/session"
	"pacific/internal/crx/hold"

	"github.com/containerd/ttrpc"
)

// Paths in the VM.
const (
	runDir       = "/run/pod"      // mounts and what dies with the VM
	ephemeralDir = "/run/pod-disk" // the pod's ephemeral disk: what containers write, logs, the record
)

// Agent serves one pod.
type Agent struct {
	runtime  *runtime.Runtime
	sessions session.Table
	rpc      *ttrpc.Server
	image    string // directory that stands for the image disk, in a rehearsal
	calls    *listener

	mu      sync.Mutex
	pod     *pod
	arrived chan struct{} // closed when pod is set
}

// New makes an agent without a pod.
func New() (*Agent, error) {
	a := &Agent{runtime: runtime.New(runDir + "/runtime"), calls: newListener(), arrived: make(chan struct{})}
	var err error
	if a.rpc, err = ttrpc.NewServer(); err != nil {
		return nil, err
	}
	agentv1.RegisterAgentService(a.rpc, a)
	return a, nil
}

// Run serves the personality channel until ctx ends or the channel is gone for good.
func (a *Agent) Run(ctx context.Context, port string) error {
	go func() { _ = a.rpc.Serve(ctx, a.calls) }()
	rehearse := func() {
		if err := RehearseFully(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "agent: rehearsal:", err)
		}
	}
	return channel.Serve(ctx, port, func() { hold.Here(rehearse) }, a.serve)
}

// serve serves one conversation with the host.
func (a *Agent) serve(s *channel.Session) {
	defer a.sessions.CloseAll()
	for {
		h, conn, err := s.Accept()
		if err != nil {
			return
		}
		go a.stream(s, h, conn)
	}
}

func (a *Agent) stream(s *channel.Session, h channel.Header, conn net.Conn) {
	switch h.Kind {
	case channel.KindRPC:
		a.calls.add(conn)
		return // ttrpc closes it
	case channel.KindSession:
		if found, err := a.sessions.Get(h.Session); err == nil {
			found.Connect(h.Stream, conn)
		}
	case channel.KindPort:
		forward(conn, h.Port)
	case channel.KindLog:
		if p := a.present(); p != nil && h.Log != nil {
			p.sendLog(conn, h.Log)
		}
	}
	conn.Close()
}

// present returns the pod, or nil before Start.
func (a *Agent) present() *pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pod
}

// listener hands streams to the ttrpc server.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) add(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.closed:
		c.Close()
	}
}

var errClosed = errors.New("the agent has ended")

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "personality", Net: "unix"} }

// Package fakeagent is an agent that runs no containers but otherwise keeps the contract: a status that is watched, events,
// logs, sessions, ports. Containers start at once and run until the test ends them.
package fakeagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/containerd/ttrpc"
	"github.com/hashicorp/yamux"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel"
	"pacific/internal/spherelet/agentlink"
)

// Agent is one boot of a machine's agent.
type Agent struct {
	mu       sync.Mutex
	changed  *sync.Cond
	pod      *agentv1.Pod
	status   *agentv1.PodStatus
	sessions map[string]*session
	updates  []*agentv1.UpdateRequest
	scratch  map[string]*agentv1.ReadScratchResponse
	gone     bool
	listener net.Listener
	conns    map[net.Conn]bool
}

// Listen starts an agent behind a unix socket.
func Listen(socket string) (*Agent, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	a := &Agent{status: &agentv1.PodStatus{Sequence: 1}, sessions: map[string]*session{}, listener: l, conns: map[net.Conn]bool{}}
	a.changed = sync.NewCond(&a.mu)
	go a.accept()
	return a, nil
}

// Close is the death of the machine.
func (a *Agent) Close() {
	a.listener.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	for c := range a.conns {
		c.Close()
	}
	a.changed.Broadcast()
}

func (a *Agent) accept() {
	for {
		conn, err := a.listener.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		a.conns[conn] = true
		a.mu.Unlock()
		go a.serve(conn)
	}
}

func (a *Agent) serve(conn net.Conn) {
	mux, err := yamux.Server(conn, quiet())
	if err != nil {
		return
	}
	defer mux.Close()
	for {
		stream, err := mux.Accept()
		if err != nil {
			return
		}
		go a.stream(stream)
	}
}

func (a *Agent) stream(conn net.Conn) {
	var h channel.Header
	if channel.ReadLine(conn, &h) != nil {
		conn.Close()
		return
	}
	switch h.Kind {
	case channel.KindRPC:
		server, err := ttrpc.NewServer()
		if err != nil {
			return
		}
		agentv1.RegisterAgentService(server, a)
		server.Serve(context.Background(), &one{conn: conn})
	case channel.KindLog:
		fmt.Fprintf(conn, "2030-01-02T03:04:05.000000000Z stdout F first of %s.%d\n", h.Log.Container, h.Log.Attempt)
		fmt.Fprintf(conn, "2030-01-02T03:04:06.000000000Z stderr F second of %s.%d\n", h.Log.Container, h.Log.Attempt)
		conn.Close()
	case channel.KindPort:
		fmt.Fprintf(conn, "port %d: ", h.Port)
		io.Copy(conn, conn)
		conn.Close()
	case channel.KindSession:
		a.mu.Lock()
		s := a.sessions[h.Session]
		a.mu.Unlock()
		if s == nil {
			conn.Close()
			return
		}
		s.attach(h.Stream, conn)
	}
}

// one is a listener with one connection.
type one struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
}

func (o *one) Accept() (net.Conn, error) {
	var first bool
	o.once.Do(func() { first, o.done = true, make(chan struct{}) })
	if first {
		return o.conn, nil
	}
	<-o.done
	return nil, errors.New("closed")
}
func (o *one) Close() error   { return o.conn.Close() }
func (o *one) Addr() net.Addr { return o.conn.LocalAddr() }

// Change lets a test change the status, as what happens in a pod does.
func (a *Agent) Change(f func(*agentv1.PodStatus)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a.status)
	a.status.Sequence++
	a.changed.Broadcast()
}

// Pod is what was handed over, nil if nothing.
func (a *Agent) Pod() *agentv1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pod
}

// Updates are the updates that have come.
func (a *Agent) Updates() []*agentv1.UpdateRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*agentv1.UpdateRequest(nil), a.updates...)
}

// Exit ends all containers.
func (a *Agent) Exit(code int32) {
	a.Change(func(s *agentv1.PodStatus) { finish(s, code) })
}

func finish(s *agentv1.PodStatus, code int32) {
	for _, c := range s.Containers {
		c.State = &agentv1.State{State: &agentv1.State_Terminated{Terminated: &agentv1.Termination{ExitCode: code, ContainerId: c.ContainerId, FinishedAt: timestamppb.Now()}}}
		c.Ready, c.Started = false, false
	}
	s.Finished = true
}

// Start implements agentv1.AgentService.
func (a *Agent) Start(_ context.Context, r *agentv1.StartRequest) (*agentv1.StartResponse, error) {
	a.Change(func(s *agentv1.PodStatus) {
		if s.Started {
			return
		}
		a.pod, s.Started = r.Pod, true
		for _, c := range r.Pod.Containers {
			started := running(c)
			if p := r.Pod.Previous; p != nil {
				started.RestartCount, started.LastTermination = 1, p
			}
			s.Containers = append(s.Containers, started)
			s.Events = append(s.Events, &agentv1.Event{Sequence: 1, At: timestamppb.Now(), Reason: "Started", Message: "Container started", Container: c.Name})
		}
	})
	return &agentv1.StartResponse{}, nil
}

// running is the status of a container that has just started, or that waits for its configuration.
func running(c *agentv1.Container) *agentv1.ContainerStatus {
	if c.ConfigError != "" {
		return &agentv1.ContainerStatus{Name: c.Name, State: &agentv1.State{State: &agentv1.State_Waiting{
			Waiting: &agentv1.Waiting{Reason: "CreateContainerConfigError", Message: c.ConfigError}}}}
	}
	return &agentv1.ContainerStatus{Name: c.Name, ContainerId: "id-" + c.Name, Ready: true, Started: true, Resources: c.Resources,
		State: &agentv1.State{State: &agentv1.State_Running{Running: &agentv1.Running{StartedAt: timestamppb.Now()}}}}
}

// Update implements agentv1.AgentService.
func (a *Agent) Update(_ context.Context, r *agentv1.UpdateRequest) (*agentv1.UpdateResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.updates = append(a.updates, r)
	for _, c := range r.EphemeralContainers {
		a.status.EphemeralContainers = append(a.status.EphemeralContainers, running(c))
	}
	for _, c := range r.Containers {
		for _, s := range a.status.Containers {
			if s.Name == c.Name {
				proto.Reset(s)
				proto.Merge(s, running(c))
			}
		}
	}
	a.status.Sequence++
	a.changed.Broadcast()
	return &agentv1.UpdateResponse{}, nil
}

// Stop implements agentv1.AgentService: the containers obey at once.
func (a *Agent) Stop(context.Context, *agentv1.StopRequest) (*agentv1.StopResponse, error) {
	a.Exit(0)
	return &agentv1.StopResponse{}, nil
}

// Watch implements agentv1.AgentService.
func (a *Agent) Watch(_ context.Context, _ *agentv1.WatchRequest, server agentv1.Agent_WatchServer) error {
	var sent uint64
	for {
		a.mu.Lock()
		for a.status.Sequence == sent && !a.gone {
			a.changed.Wait()
		}
		status, gone := proto.Clone(a.status).(*agentv1.PodStatus), a.gone
		a.mu.Unlock()
		if gone {
			return errors.New("gone")
		}
		sent = status.Sequence
		if err := server.Send(status); err != nil {
			return err
		}
	}
}

// Stats implements agentv1.AgentService.
func (a *Agent) Stats(context.Context, *agentv1.StatsRequest) (*agentv1.StatsResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &agentv1.StatsResponse{At: timestamppb.New(time.Now())}
	for _, c := range a.status.Containers {
		out.Containers = append(out.Containers, &agentv1.ContainerStats{Name: c.Name, CpuUsageNanoseconds: 2e9, MemoryWorkingSetBytes: 3 << 20})
	}
	return out, nil
}

// Leave makes the pod have changed a scratch volume.
func (a *Agent) Leave(volume string, left *agentv1.ReadScratchResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.scratch == nil {
		a.scratch = map[string]*agentv1.ReadScratchResponse{}
	}
	a.scratch[volume] = left
}

// ReadScratch implements agentv1.AgentService.
func (a *Agent) ReadScratch(_ context.Context, r *agentv1.ReadScratchRequest) (*agentv1.ReadScratchResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if left := a.scratch[r.Volume]; left != nil {
		return left, nil
	}
	return &agentv1.ReadScratchResponse{}, nil
}

// Signal implements agentv1.AgentService.
func (a *Agent) Signal(context.Context, *agentv1.SignalRequest) (*agentv1.SignalResponse, error) {
	return &agentv1.SignalResponse{}, nil
}

func quiet() *yamux.Config {
	c := yamux.DefaultConfig()
	c.LogOutput = io.Discard
	return c
}

// Dial is the agentlink.Dialer for fake agents: yamux without the handshake that a virtio-serial port needs.
func Dial(ctx context.Context, socket string) (agentlink.Session, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	mux, err := yamux.Client(conn, quiet())
	if err != nil {
		return nil, err
	}
	return dialed{mux}, nil
}

type dialed struct{ mux *yamux.Session }

func (d dialed) Open(_ context.Context, h channel.Header) (net.Conn, error) {
	conn, err := d.mux.Open()
	if err != nil {
		return nil, err
	}
	return conn, channel.WriteLine(conn, h)
}

func (d dialed) RPC(ctx context.Context) (*ttrpc.Client, error) {
	conn, err := d.Open(ctx, channel.Header{Kind: channel.KindRPC})
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(conn), nil
}

func (d dialed) Done() <-chan struct{} { return d.mux.CloseChan() }
func (d dialed) Close() error          { return d.mux.Close() }

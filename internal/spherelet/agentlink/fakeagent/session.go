package fakeagent

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	agentv1 "pacific/api/agent/v1"
)

// session is an exec of one of a few commands: "cat" copies stdin to stdout, "exit N" ends with N, "size" waits for a
// resize and prints it, all others are printed.
type session struct {
	command []string
	tty     bool
	streams chan attached
	sizes   chan string
	done    chan int32
	want    int
}

type attached struct {
	name string
	conn net.Conn
}

func (s *session) attach(name string, conn net.Conn) { s.streams <- attached{name, conn} }

func (s *session) run() {
	streams := map[string]net.Conn{}
	for len(streams) < s.want {
		a := <-s.streams
		streams[a.name] = a.conn
	}
	var code int
	switch out := streams["stdout"]; s.command[0] {
	case "cat":
		io.Copy(out, streams["stdin"])
	case "exit":
		code, _ = strconv.Atoi(s.command[1])
		if e := streams["stderr"]; e != nil {
			fmt.Fprintln(e, "leaving")
		}
	case "size":
		fmt.Fprintln(out, <-s.sizes)
	default:
		fmt.Fprintln(out, strings.Join(s.command, " "))
	}
	for name, conn := range streams {
		if name != "stdin" {
			conn.Close()
		}
	}
	s.done <- int32(code)
}

func (a *Agent) open(command []string, tty bool, wanted ...bool) (*agentv1.SessionResponse, error) {
	s := &session{command: command, tty: tty, streams: make(chan attached, 3), sizes: make(chan string, 8), done: make(chan int32, 1)}
	for _, w := range wanted {
		if w {
			s.want++
		}
	}
	a.mu.Lock()
	id := fmt.Sprintf("session-%d", len(a.sessions)+1)
	a.sessions[id] = s
	a.mu.Unlock()
	go s.run()
	return &agentv1.SessionResponse{Session: id}, nil
}

func (a *Agent) session(id string) (*session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.sessions[id]; s != nil {
		return s, nil
	}
	return nil, status.Errorf(codes.NotFound, "no session %s", id)
}

// Exec implements agentv1.AgentService.
func (a *Agent) Exec(_ context.Context, r *agentv1.ExecRequest) (*agentv1.SessionResponse, error) {
	return a.open(r.Command, r.Tty, r.Stdin, r.Stdout, r.Stderr && !r.Tty)
}

// Attach implements agentv1.AgentService: the container behaves like "cat".
func (a *Agent) Attach(_ context.Context, r *agentv1.AttachRequest) (*agentv1.SessionResponse, error) {
	return a.open([]string{"cat"}, r.Tty, r.Stdin, r.Stdout, r.Stderr && !r.Tty)
}

// Resize implements agentv1.AgentService.
func (a *Agent) Resize(_ context.Context, r *agentv1.ResizeRequest) (*agentv1.ResizeResponse, error) {
	s, err := a.session(r.Session)
	if err != nil {
		return nil, err
	}
	s.sizes <- fmt.Sprintf("%dx%d", r.Width, r.Height)
	return &agentv1.ResizeResponse{}, nil
}

// Wait implements agentv1.AgentService.
func (a *Agent) Wait(_ context.Context, r *agentv1.WaitRequest) (*agentv1.WaitResponse, error) {
	s, err := a.session(r.Session)
	if err != nil {
		return nil, err
	}
	return &agentv1.WaitResponse{ExitCode: <-s.done}, nil
}

// CloseSession implements agentv1.AgentService.
func (a *Agent) CloseSession(context.Context, *agentv1.CloseSessionRequest) (*agentv1.CloseSessionResponse, error) {
	return &agentv1.CloseSessionResponse{}, nil
}

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/runtime"
	"pacific/internal/crx/agent/session"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// execSpec is a process like the container's first one.
func (i *instance) execSpec(command []string, tty bool) *specs.Process {
	p := *i.container.Spec().Process
	p.Args, p.Terminal = command, tty
	if tty {
		p.Env = append([]string{"TERM=xterm"}, p.Env...)
	}
	return &p
}

// exec starts a process with a session. A command that cannot be started makes a session that has failed.
func (i *instance) exec(req *agentv1.ExecRequest) (session.Session, error) {
	streams := &session.Stdio{}
	var err error
	if !req.GetTty() {
		if streams, err = session.Pipes(req.GetStdin(), req.GetStdout(), req.GetStderr()); err != nil {
			return nil, err
		}
	}
	in, out, errOut := streams.Process()
	p, err := i.container.Exec(i.execSpec(req.GetCommand(), req.GetTty()), runtime.Streams{Stdin: in, Stdout: out, Stderr: errOut})
	if err != nil {
		streams.Close()
		return session.FailedExec(execCode(err), fmt.Errorf("exec failed: %w", err)), nil
	}
	streams.Started()
	wait := func() int32 { return p.Wait().Code }
	if req.GetTty() {
		return session.NewExec(session.Terminal(p.Terminal), p.Resize, wait), nil
	}
	return session.NewExec(streams, nil, wait), nil
}

// execCode is the exit code of a command that could not be started, by the convention of shells. libcontainer passes the
// error of the other process on as text.
func execCode(err error) int32 {
	text := err.Error()
	for _, missing := range []string{exec.ErrNotFound.Error(), fs.ErrNotExist.Error(), syscall.ENOENT.Error()} {
		if strings.Contains(text, missing) {
			return 127
		}
	}
	return 126
}

// run runs a command to its end and returns its exit code and what it wrote.
func (i *instance) run(ctx context.Context, command []string) (int32, []byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer r.Close()
	p, err := i.container.Exec(i.execSpec(command, false), runtime.Streams{Stdout: w, Stderr: w})
	w.Close()
	if err != nil {
		return 0, nil, err
	}
	// The time is over: the process ends, and so does the reading from it and from children that hold the pipe.
	defer context.AfterFunc(ctx, func() {
		_ = p.Signal(syscall.SIGKILL)
		r.Close()
	})()
	var output bytes.Buffer
	err = session.CopyOutput(&limited{&output, maxOutput}, r)
	exit := p.Wait()
	if ctx.Err() != nil {
		return 0, output.Bytes(), ctx.Err()
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return 0, output.Bytes(), err
	}
	return exit.Code, output.Bytes(), nil
}

// maxOutput bounds what is kept of the output of probes and hooks.
const maxOutput = 16 << 10

// limited keeps the beginning of what is written to it.
type limited struct {
	b    *bytes.Buffer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.room)
	l.b.Write(p[:n])
	l.room -= n
	return len(p), nil
}

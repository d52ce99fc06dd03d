package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/klog/v2"
	utilexec "k8s.io/utils/exec"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel"
	"pacific/internal/spherelet/agentlink"
	"pacific/internal/spherelet/podworker"
)

const (
	// idleTimeout of a stream, the kubelet's default.
	idleTimeout = 4 * time.Hour
	// creationTimeout for all streams of a session to be opened by the client.
	creationTimeout = 30 * time.Second
)

func (s *Server) exec(w http.ResponseWriter, r *http.Request) {
	worker := s.find(w, r)
	if worker == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	command := r.URL.Query()["command"]
	if len(command) == 0 {
		http.Error(w, "command is missing", http.StatusBadRequest)
		return
	}
	remotecommand.ServeExec(w, r, sessions{worker}, r.PathValue("pod"), r.PathValue("uid"), r.PathValue("container"), command, options,
		idleTimeout, creationTimeout, remotecommand.SupportedStreamingProtocols)
}

func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	worker := s.find(w, r)
	if worker == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	remotecommand.ServeAttach(w, r, sessions{worker}, r.PathValue("pod"), r.PathValue("uid"), r.PathValue("container"), options,
		idleTimeout, creationTimeout, remotecommand.SupportedStreamingProtocols)
}

// run executes a command and answers with its output.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	worker := s.find(w, r)
	if worker == nil {
		return
	}
	command := r.URL.Query()["command"]
	if len(command) == 0 {
		command = strings.Fields(r.URL.Query().Get("cmd"))
	}
	out := nopCloser{w}
	err := sessions{worker}.ExecInContainer(r.Context(), "", "", r.PathValue("container"), command, nil, out, out, false, nil, 0)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// sessions runs exec and attach sessions in a pod; it implements remotecommand.Executor and Attacher.
type sessions struct{ worker *podworker.Worker }

// stdio is one end of a session; nil streams are not wanted.
type stdio struct {
	in       io.Reader
	out, err io.WriteCloser
	tty      bool
	resize   <-chan remotecommand.TerminalSize
}

func (s sessions) ExecInContainer(ctx context.Context, _, _, container string, command []string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	link, err := s.worker.Link()
	if err != nil {
		return err
	}
	opened, err := link.Agent.Exec(ctx, &agentv1.ExecRequest{Container: container, Command: command, Tty: tty,
		Stdin: in != nil, Stdout: out != nil, Stderr: errs != nil})
	if err != nil {
		return err
	}
	return session(ctx, link, opened.Session, stdio{in, out, errs, tty, resize})
}

func (s sessions) AttachContainer(ctx context.Context, _, _, container string, in io.Reader, out, errs io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	link, err := s.worker.Link()
	if err != nil {
		return err
	}
	opened, err := link.Agent.Attach(ctx, &agentv1.AttachRequest{Container: container, Tty: tty,
		Stdin: in != nil, Stdout: out != nil, Stderr: errs != nil})
	if err != nil {
		return err
	}
	err = session(ctx, link, opened.Session, stdio{in, out, errs, tty, resize})
	var exit utilexec.ExitError
	if errors.As(err, &exit) {
		return nil // attach has no exit code; kubectl reads that of the container from its status
	}
	return err
}

// session copies the streams of a session and waits for its end: first the process, then the output it has left.
func session(ctx context.Context, link *agentlink.Link, id string, io stdio) error {
	defer closeSession(link, id)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go resize(ctx, link, id, io.resize)

	outputs, err := openStreams(ctx, link, id, io)
	if err != nil {
		return err
	}
	result, err := link.Agent.Wait(ctx, &agentv1.WaitRequest{Session: id})
	if err != nil {
		return fmt.Errorf("wait for the end of the session: %w", err)
	}
	for range cap(outputs) {
		select {
		case <-outputs:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	switch {
	case result.Error != "":
		return errors.New(result.Error)
	case result.ExitCode != 0:
		return utilexec.CodeExitError{Code: int(result.ExitCode), Err: fmt.Errorf("command terminated with exit code %d", result.ExitCode)}
	}
	return nil
}

// openStreams starts to copy; the channel gets a value when an output has ended, and has their number as capacity.
func openStreams(ctx context.Context, link *agentlink.Link, id string, s stdio) (chan struct{}, error) {
	type output struct {
		name string
		to   io.WriteCloser
	}
	var outputs []output
	if s.out != nil {
		outputs = append(outputs, output{"stdout", s.out})
	}
	if s.err != nil && !s.tty {
		outputs = append(outputs, output{"stderr", s.err})
	}
	ended := make(chan struct{}, len(outputs))
	for _, o := range outputs {
		stream, err := link.Open(ctx, channel.Header{Kind: channel.KindSession, Session: id, Stream: o.name})
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { stream.Close() })
		go func() {
			io.Copy(o.to, stream)
			ended <- struct{}{}
		}()
	}
	if s.in == nil {
		return ended, nil
	}
	stream, err := link.Open(ctx, channel.Header{Kind: channel.KindSession, Session: id, Stream: "stdin"})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { stream.Close() })
	go func() {
		io.Copy(stream, s.in)
		closeWrite(stream)
	}()
	return ended, nil
}

// closeWrite ends one direction of a stream where it can, else both.
func closeWrite(c io.Closer) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}

func resize(ctx context.Context, link *agentlink.Link, id string, sizes <-chan remotecommand.TerminalSize) {
	if sizes == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			_, err := link.Agent.Resize(ctx, &agentv1.ResizeRequest{Session: id, Width: uint32(size.Width), Height: uint32(size.Height)})
			if err != nil && ctx.Err() == nil {
				klog.V(2).InfoS("Terminal could not be resized", "session", id, "err", err)
			}
		}
	}
}

// closeSession ends what a client that went away has left running in the session.
func closeSession(link *agentlink.Link, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := link.Agent.CloseSession(ctx, &agentv1.CloseSessionRequest{Session: id}); err != nil {
		klog.V(2).InfoS("Session could not be closed", "session", id, "err", err)
	}
}

// Package session connects the standard streams of processes with the streams of exec and attach sessions and with logs.
package session

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stdio is this program's side of a process's standard streams: pipes, or a terminal that is input and output in one.
type Stdio struct {
	In       *os.File // nil when the process has no input
	Out, Err *os.File // Err is nil with a terminal
	terminal bool

	process []*os.File // the process's ends, closed once it has them
}

// Pipes makes pipes for a process.
func Pipes(stdin, stdout, stderr bool) (*Stdio, error) {
	s := &Stdio{}
	var in, out, err2 *os.File
	var err error
	if stdin {
		if in, s.In, err = os.Pipe(); err != nil {
			return nil, err
		}
	}
	if stdout {
		if s.Out, out, err = os.Pipe(); err != nil {
			s.Close()
			return nil, err
		}
	}
	if stderr {
		if s.Err, err2, err = os.Pipe(); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.process = []*os.File{in, out, err2}
	return s, nil
}

// Terminal takes over a process's terminal.
func Terminal(t *os.File) *Stdio { return &Stdio{In: t, Out: t, terminal: true} }

// Process returns the process's ends: stdin, stdout, stderr; nil for those that it has not.
func (s *Stdio) Process() (in, out, err *os.File) {
	if s.process == nil {
		return nil, nil, nil
	}
	return s.process[0], s.process[1], s.process[2]
}

// Started closes the process's ends, so that this program sees their end when the process has closed them.
func (s *Stdio) Started() {
	for _, f := range s.process {
		if f != nil {
			f.Close()
		}
	}
	s.process = nil
}

// Close closes everything. A process that goes on gets SIGPIPE, or SIGHUP with a terminal.
func (s *Stdio) Close() {
	s.Started()
	for _, f := range []*os.File{s.In, s.Out, s.Err} {
		if f != nil {
			f.Close()
		}
	}
}

// CloseIn ends the process's input. A terminal has no end of input: its users type it.
func (s *Stdio) CloseIn() {
	if s.In != nil && !s.terminal {
		s.In.Close()
	}
}

// Drain bounds how long output is awaited that another process still may write.
func (s *Stdio) Drain(d time.Duration) {
	for _, f := range []*os.File{s.Out, s.Err} {
		if f != nil {
			_ = f.SetReadDeadline(time.Now().Add(d))
		}
	}
}

// CopyOutput copies from one of the process's outputs to w until it ends.
func CopyOutput(w io.Writer, from *os.File) error {
	_, err := io.Copy(w, from)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = copyWritten(w, from)
	}
	// A terminal whose last process has closed it gives EIO, not the end of the file.
	if errors.Is(err, syscall.EIO) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// copyWritten copies what is in the pipe already. The time limit of Drain is for what may still be written: on a busy host it
// can pass before this program comes to read what the process left.
func copyWritten(w io.Writer, from *os.File) error {
	if err := from.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	var written int
	var failure error
	if err := raw.Control(func(fd uintptr) { written, failure = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil {
		return err
	}
	if failure != nil {
		return failure
	}
	_, err = io.CopyN(w, from, int64(written))
	return err
}

// Fan writes to one writer that matters and to others that come and go.
type Fan struct {
	main io.WriteCloser

	mu     sync.Mutex
	others []*Tap
	ended  bool
}

// Tap is one of the others.
type Tap struct {
	w    io.Writer
	done chan struct{}
}

// NewFan makes a fan; what cannot be written to main is lost, the others get it all the same.
func NewFan(main io.WriteCloser) *Fan { return &Fan{main: main} }

func (f *Fan) Write(p []byte) (int, error) {
	_, _ = f.main.Write(p) // a full disk must not stop the container
	for _, t := range f.taps() {
		if _, err := t.w.Write(p); err != nil {
			f.Remove(t)
		}
	}
	return len(p), nil
}

func (f *Fan) taps() []*Tap {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.others)
}

// Add lets w have what comes from now on. Done tells when nothing will come any more.
func (f *Fan) Add(w io.Writer) *Tap {
	t := &Tap{w: w, done: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		close(t.done)
		return t
	}
	f.others = append(f.others, t)
	return t
}

// Done is closed when the tap gets nothing more.
func (t *Tap) Done() <-chan struct{} { return t.done }

// Remove takes the tap off.
func (f *Fan) Remove(t *Tap) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.others, t); i >= 0 {
		f.others = slices.Delete(f.others, i, i+1)
		close(t.done)
	}
}

// End ends all taps and closes main, which writes what it still holds: a log has the last line only then, if that has no end.
func (f *Fan) End() {
	_ = f.main.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	for _, t := range f.others {
		close(t.done)
	}
	f.others = nil
}

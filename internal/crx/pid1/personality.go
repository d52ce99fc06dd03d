package pid1

import (
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"pacific/api/crx"
)

// tailBytes of the personality's output go to the host when it ends: a Go panic with its first goroutine fits.
const tailBytes = 4 << 10

// drainTime is how long the output of an ended personality is awaited. A process that it left behind may hold its
// standard error open for ever.
const drainTime = 200 * time.Millisecond

var personalityEnv = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
}

// personality is the running child. It is reaped by the event loop, never waited for here, so that reaping has one place.
type personality struct {
	pid    int
	output *os.File
	tail   tail
	copied chan struct{}
}

// startPersonality executes the personality with its output going to the console and to the kept tail. waiting, where not nil,
// is called when it waits for work, or has ended without.
func startPersonality(c *console, waiting func()) (*personality, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := outputPipe()
	if err != nil {
		return nil, err
	}
	defer syscall.Close(w)
	attr := &syscall.ProcAttr{
		Dir:   "/",
		Env:   personalityEnv,
		Files: []uintptr{null.Fd(), uintptr(w), uintptr(w)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	if waiting != nil {
		notify, err := notification(attr, waiting)
		if err != nil {
			r.Close()
			return nil, err
		}
		defer syscall.Close(notify)
	}
	pid, err := syscall.ForkExec(crx.PersonalityPath, []string{crx.PersonalityPath}, attr)
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("execute %s: %w", crx.PersonalityPath, err)
	}
	p := &personality{pid: pid, output: r, tail: tail{limit: tailBytes}, copied: make(chan struct{})}
	guard(func() { p.copyOutput(c) })
	return p, nil
}

// notification gives the personality the descriptor that it closes when it waits for work. The caller closes its own copy
// after the start.
func notification(attr *syscall.ProcAttr, waiting func()) (int, error) {
	r, w, err := outputPipe()
	if err != nil {
		return -1, err
	}
	attr.Files = append(attr.Files, uintptr(w)) // the fourth: crx.NotifyFD
	attr.Env = append(slices.Clone(attr.Env), fmt.Sprintf("%s=%d", crx.NotifyEnv, crx.NotifyFD))
	guard(func() {
		_, _ = io.Copy(io.Discard, r)
		r.Close()
		waiting()
	})
	return w, nil
}

// freeze stops the personality and returns when it is: nothing of it runs in the machine that is saved. The status is that of
// its end when it has just ended; it is reaped then.
func (p *personality) freeze() (syscall.WaitStatus, error) {
	if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil {
		return 0, err
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.pid, &status, syscall.WUNTRACED, nil)
		if err != syscall.EINTR {
			return status, err
		}
	}
}

// outputPipe returns a pipe whose read end supports deadlines and whose write end blocks, as a program expects of its
// standard error.
func outputPipe() (r *os.File, w int, err error) {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		return nil, 0, fmt.Errorf("make a pipe: %w", err)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		return nil, 0, fmt.Errorf("make a pipe: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "personality output"), fds[1], nil
}

func (p *personality) copyOutput(c *console) {
	defer close(p.copied)
	buf := make([]byte, 4096)
	for {
		n, err := p.output.Read(buf)
		p.tail.write(buf[:n])
		c.write(buf[:n])
		if err != nil {
			return
		}
	}
}

// lastWords returns the end of the output of a personality that has ended.
func (p *personality) lastWords() string {
	_ = p.output.SetReadDeadline(time.Now().Add(drainTime))
	<-p.copied
	p.output.Close()
	return p.tail.String()
}

func (p *personality) signal(s syscall.Signal) {
	if p != nil {
		_ = syscall.Kill(p.pid, s) // ESRCH: it has ended, the event is on its way
	}
}

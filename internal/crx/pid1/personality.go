package pid1

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"pacific/api/crx"
	"pacific/internal/crx/slack"
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
	notify *os.File // PID 1's end of the notification; nil where there is none
}

// startPersonality executes the personality with its output going to the console and to the kept tail. waiting, where not nil,
// is called each time that it waits for work; reported, where not nil, with each status.
func startPersonality(c *console, waiting func(), reported func(crx.Status)) (*personality, error) {
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
	p := &personality{output: r, tail: tail{limit: tailBytes}, copied: make(chan struct{})}
	if waiting != nil {
		theirs, err := p.addNotification(attr)
		if err != nil {
			r.Close()
			return nil, err
		}
		defer syscall.Close(theirs)
	}
	if reported != nil {
		theirs, err := followStatus(attr, reported)
		if err != nil {
			r.Close()
			return nil, err
		}
		defer syscall.Close(theirs)
	}
	err = slack.Inherited(slack.Patient, func() (err error) {
		p.pid, err = syscall.ForkExec(crx.PersonalityPath, []string{crx.PersonalityPath}, attr)
		return err
	})
	if err != nil {
		p.closeAll()
		return nil, fmt.Errorf("execute %s: %w", crx.PersonalityPath, err)
	}
	guard(func() { p.copyOutput(c) })
	if waiting != nil {
		guard(func() { p.listen(waiting) })
	}
	return p, nil
}

func (p *personality) closeAll() {
	p.output.Close()
	if p.notify != nil {
		p.notify.Close()
	}
}

// addNotification gives the personality its end of the socket by which it says that it waits for work. The caller closes its own
// copy of that after the start.
func (p *personality) addNotification(attr *syscall.ProcAttr) (theirs int, err error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make a pair of sockets: %w", err)
	}
	if err := syscall.SetNonblock(pair[0], true); err != nil {
		return -1, fmt.Errorf("make a pair of sockets: %w", err)
	}
	p.notify = os.NewFile(uintptr(pair[0]), "personality notification")
	attr.Files = append(attr.Files, uintptr(pair[1])) // the fourth: crx.NotifyFD
	attr.Env = append(slices.Clone(attr.Env), fmt.Sprintf("%s=%d", crx.NotifyEnv, crx.NotifyFD))
	return pair[1], nil
}

// listen calls waiting each time that the personality says so, until it goes on for good or has ended.
func (p *personality) listen(waiting func()) {
	for {
		var b [1]byte
		if _, err := p.notify.Read(b[:]); err != nil {
			p.notify.Close()
			return
		}
		waiting()
	}
}

// thaw tells a stopped personality what comes next, and lets it go on.
func (p *personality) thaw(order byte) {
	if p == nil {
		return
	}
	_, _ = p.notify.Write([]byte{order}) // one that has ended is reaped
	p.signal(syscall.SIGCONT)
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

package machine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"pacific/api/crx"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/vmm"
)

// answerLimit is for a VMM's answer, without the time that it waits for a processor. It only works its main loop.
const answerLimit = 20 * time.Second

// session is control over the VMM of one run.
type session struct {
	run      uint32
	dir      string
	process  *vmm.Process
	conn     vmm.Connection
	init     *guest.InitPort // nil for a machine that is no CRX
	received chan struct{}   // closed when nothing more comes from PID 1
	gone     chan struct{}   // closed when the process has ended
	ready    time.Time       // when a clone answered
	spoke    chan struct{}   // closed when PID 1 has said that it is ready
	pongs    chan crx.Pong
}

func newSession(run uint32, dir string, process *vmm.Process) *session {
	return &session{
		run: run, dir: dir, process: process, received: make(chan struct{}), gone: make(chan struct{}),
		spoke: make(chan struct{}), pongs: make(chan crx.Pong, 1),
	}
}

// close gives up the connections of a session that nobody follows.
func (s *session) close() error {
	var init error
	if s.init != nil {
		init = s.init.Close()
	}
	return errors.Join(init, s.conn.Close())
}

// follow posts what the guest and the VMM do, until the VMM is gone.
func (a *actor) follow(s *session) {
	a.observe(s.conn)
	go a.listen(s)
	if isAppliance(a.snapshot().Spec) {
		go boundConsole(a.host.records.consoleFile(a.id), s.gone)
		go s.keepClock(a.id)
	}
	go func() {
		defer close(s.gone)
		cause := <-s.conn.Ended()
		a.observe(nil)
		// What PID 1 said last is in the socket, and comes before the end that it announces.
		if s.init != nil {
			s.init.Drain()
			<-s.received
		}
		if cause != vmm.Lost {
			a.post(GuestEnded{Run: s.run, At: time.Now(), Cause: cause, Console: a.console(s)})
		}
		exit, err := s.process.Wait()
		if err != nil {
			slog.Error("cannot wait for the VMM", "machine", a.id, "pid", s.process.PID, "err", err)
		}
		a.post(ProcessGone{
			Run: s.run, At: time.Now(), Exit: exit, Log: readLog(s.dir), OutOfMemory: a.host.Cgroups.OutOfMemory(a.cgroup()),
		})
	}()
}

// observe says whom to ask for what only the VMM knows.
func (a *actor) observe(conn vmm.Connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.observed = conn
}

func (a *actor) listen(s *session) {
	defer close(s.received)
	if s.init == nil {
		return
	}
	// Each once: a guest is not trusted, and must not fill the host's memory with events.
	var ready, told bool
	statuses := newStatuses(a)
	defer statuses.end()
	s.init.Receive(func(message crx.Message) {
		switch {
		case message.Ready != nil && !ready:
			ready = true
			close(s.spoke)
			a.post(Ready{Run: s.run, At: time.Now()})
		case message.Pong != nil:
			select {
			case s.pongs <- *message.Pong:
			default:
			}
		case message.Exited != nil && !told:
			told = true
			a.post(Told{Run: s.run, Exited: *message.Exited})
		case message.Status != nil:
			statuses.put(*message.Status)
		}
	})
}

// console reads the end of the guest's console and keeps it with the record, for people.
func (a *actor) console(s *session) string {
	if isAppliance(a.snapshot().Spec) {
		return consoleTail(a.host.records.consoleFile(a.id))
	}
	ctx, cancel := vmm.Patience(context.Background(), s.process, answerLimit)
	defer cancel()
	text, err := s.conn.Console(ctx)
	if err != nil {
		return ""
	}
	if err := os.WriteFile(a.host.records.consoleFile(a.id), []byte(text), 0o600); err != nil {
		slog.Warn("cannot keep the console", "machine", a.id, "err", err)
	}
	return text
}

func readLog(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, vmm.LogFile))
	return tail(string(text))
}

// end quits the VMM and returns when its process is gone. A VMM that does not quit is killed: its guest was stopped or is
// not wanted any more, and what it wrote is in the host's page cache.
func (s *session) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	quit := s.conn.Quit(ctx)
	if quit == nil {
		select {
		case <-s.gone:
		case <-ctx.Done():
		}
	}
	if err := s.process.Kill(); err != nil {
		return fmt.Errorf("end VMM process %d: %w", s.process.PID, err)
	}
	<-s.gone
	// The other end is gone; there is nothing to lose in closing.
	_, _ = s.conn.Close(), s.process.Close()
	return nil
}

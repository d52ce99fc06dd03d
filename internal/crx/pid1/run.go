// Package pid1 is the first process of a CRX. It prepares the machine, runs the personality, reaps orphans, and
// speaks api/crx with the host on the init port.
//
// What it does is decided by [Machine], a pure state machine; [Main] carries that out.
package pid1

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pacific/api/crx"
)

// Main runs PID 1. It does not return.
func Main() {
	defer rescue()
	uptime := bootTime()
	params, err := prepare()
	if err != nil {
		fail("the machine cannot be prepared: " + err.Error())
	}
	i, err := newInit(params)
	if err != nil {
		fail(err.Error())
	}
	i.loop(Machine{
		Probe:    params.Personality == crx.PersonalityProbe,
		Template: params.Template,
		Ready:    crx.Ready{Kernel: kernelRelease(), UptimeMillis: uptime.Milliseconds()},
	})
}

// prepare mounts the file systems and reads the parameters.
func prepare() (Params, error) {
	if err := makeRootPivotable(); err != nil {
		return Params{}, fmt.Errorf("make the root pivotable: %w", err)
	}
	if err := mountAll(); err != nil {
		return Params{}, err
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return Params{}, err
	}
	if err := loadModules(); err != nil {
		return Params{}, err
	}
	params := ParseParams(string(cmdline))
	if err := setHostname(params.Hostname); err != nil {
		return Params{}, err
	}
	return params, errors.Join(raiseLoopback(), quieten())
}

// bootTime is how long the machine has been up.
func bootTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// initProcess carries out what the machine decides. Only its loop touches its fields.
type initProcess struct {
	events      chan Event
	children    chan os.Signal
	signals     chan os.Signal
	template    bool
	reports     bool // the personality writes its status
	console     *console
	link        *link
	personality *personality
	timers      map[Timer]*time.Timer
}

func newInit(params Params) (*initProcess, error) {
	i := &initProcess{
		events:   make(chan Event, 16),
		children: make(chan os.Signal, 1), // one is enough: each time all ended children are reaped
		signals:  make(chan os.Signal, 16),
		template: params.Template,
		reports:  params.Personality == crx.PersonalityAppliance,
		console:  openConsole(),
		timers:   map[Timer]*time.Timer{},
	}
	signal.Notify(i.children, syscall.SIGCHLD)
	// The ones that would end a Go program are caught too: PID 1 must not end by a signal.
	signal.Notify(i.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPWR)
	var err error
	i.link, err = openLink(i.events)
	return i, err
}

func (i *initProcess) loop(m Machine) {
	pending := []Event{Booted{}}
	for {
		for len(pending) > 0 {
			var actions []Action
			m, actions = m.Step(pending[0])
			pending = pending[1:]
			for _, a := range actions {
				pending = append(pending, i.do(a)...)
			}
		}
		pending = i.wait()
	}
}

// wait blocks until something has happened.
func (i *initProcess) wait() []Event {
	select {
	case e := <-i.events:
		return []Event{e}
	case <-i.children:
		return i.reap()
	case s := <-i.signals:
		switch s {
		case syscall.SIGTERM, syscall.SIGINT, syscall.SIGPWR:
			return []Event{Terminated{}}
		}
	}
	return nil
}

// reap collects ended children. It runs in the loop, like the start of the personality, so its number is known here.
func (i *initProcess) reap() []Event {
	var events []Event
	reap(func(pid int, status syscall.WaitStatus) {
		if i.personality == nil || pid != i.personality.pid {
			return
		}
		events = append(events, i.ended(status))
	})
	return events
}

func (i *initProcess) ended(status syscall.WaitStatus) Ended {
	code, sig := exitCode(status)
	e := Ended{ExitCode: code, Signal: sig, Message: i.personality.lastWords()}
	i.personality = nil
	return e
}

// do carries out an action and returns what came of it at once.
func (i *initProcess) do(a Action) []Event {
	switch a := a.(type) {
	case StartPersonality:
		return i.start()
	case Freeze:
		return i.freeze()
	case Thaw:
		i.personality.thaw(crx.NotifyGo)
	case Rehearse:
		i.personality.thaw(crx.NotifyRehearse)
	case Terminate:
		i.personality.signal(syscall.SIGTERM)
	case Kill:
		i.personality.signal(syscall.SIGKILL)
	case Send:
		i.link.send(a.Message)
	case Answer:
		i.link.send(crx.Message{Pong: &crx.Pong{Nonce: a.Nonce, UnixNanos: time.Now().UnixNano()}})
	case CorrectClock:
		if err := correctClock(a.Behind); err != nil {
			i.console.log("set the clock: " + err.Error())
		}
	case SetTimer:
		i.setTimer(a)
	case SetIdentity:
		return []Event{IdentitySet{Cause: text(setIdentity(a.Identity))}}
	case Log:
		i.console.log(a.Text)
	case PowerOff:
		shutdown(i.console)
	}
	return nil
}

func (i *initProcess) start() []Event {
	p, err := startPersonality(i.console, i.waiting(), i.reported())
	if err != nil {
		i.console.log(err.Error())
		return []Event{StartFailed{Cause: err.Error()}}
	}
	i.personality = p
	return []Event{Started{}}
}

// waiting is called when the personality of a template waits for work.
func (i *initProcess) waiting() func() {
	if !i.template {
		return nil
	}
	return func() { i.events <- Waiting{} }
}

// reported is called with each status of a personality that tells one.
func (i *initProcess) reported() func(crx.Status) {
	if !i.reports {
		return nil
	}
	return func(status crx.Status) { i.events <- Reported{status} }
}

func (i *initProcess) freeze() []Event {
	if i.personality == nil {
		return nil // Ended has been told
	}
	status, err := i.personality.freeze()
	switch {
	case err != nil:
		i.personality.signal(syscall.SIGKILL)
		i.console.log("stop the personality: " + err.Error())
		return nil
	case status.Stopped():
		return []Event{Frozen{}}
	}
	return []Event{i.ended(status)}
}

func (i *initProcess) setTimer(a SetTimer) {
	if t := i.timers[a.Timer]; t != nil {
		t.Stop()
	}
	i.timers[a.Timer] = time.AfterFunc(a.After, func() { i.events <- Expired{Timer: a.Timer} })
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

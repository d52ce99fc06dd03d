package pid1

import (
	"time"

	"pacific/api/crx"
)

// Times that PID 1 grants. The host's PowerOff carries its own grace period.
const (
	// signalGrace is what the personality gets when PID 1 itself is sent SIGTERM, by a process in the machine.
	signalGrace = 10 * time.Second
	// deliveryTimeout bounds the wait for a host to take the last message. A host daemon that was killed is back by then.
	deliveryTimeout = 10 * time.Second
	// askedDeliveryTimeout bounds it when the host asked for the end: it needs no reason.
	askedDeliveryTimeout = time.Second
)

// Machine is the state of PID 1. Its method Step is the whole behaviour; the rest of the package carries out actions
// and turns what happens into events.
//
//	booting --started--> running --PowerOff, SIGTERM--> stopping
//	   |                    |                              |
//	   +----- the personality has ended, or cannot start --+--> reporting --delivered or too late--> down
//
// In a template two phases come between. All that a host can do in the second is to save the machine; what goes on from there
// is a clone, which first becomes an individual:
//
//	booting --started--> warming --waits for work--> held --Identity--> running
//	                        ^                          |
//	                        +---Identity to rehearse---+
//
// Ready goes out at every connection of the host while the personality runs, Exited while PID 1 reports. The built-in
// personality "probe" runs nothing: it is down as soon as a host has its Ready.
type Machine struct {
	Probe    bool
	Template bool
	Ready    crx.Ready

	phase     phase
	rehearse  bool // once the identity is set
	held      crx.Held
	connected bool
	asked     bool
	exited    crx.Exited
	status    *crx.Status
}

type phase int

const (
	booting phase = iota
	warming
	held
	running
	stopping
	reporting
	down
)

var phaseNames = [...]string{"booting", "warming", "held", "running", "stopping", "reporting", "down"}

func (p phase) String() string { return phaseNames[p] }

// Event is something that has happened to PID 1.
type Event interface{ event() }

type (
	// Booted: file systems are mounted, the machine can start its personality.
	Booted struct{}
	// Started: the personality runs.
	Started struct{}
	// Waiting: the personality of a template waits for work.
	Waiting struct{}
	// Frozen: the personality is stopped.
	Frozen struct{}
	// StartFailed: the personality could not be executed.
	StartFailed struct{ Cause string }
	// Ended: the personality has ended; Message is the end of what it wrote.
	Ended struct {
		ExitCode, Signal int
		Message          string
	}
	// Reported: the personality tells how far it is.
	Reported struct{ Status crx.Status }
	// Connected: a host has opened its end of the init port.
	Connected struct{}
	// Disconnected: it has closed it, or died. What was not yet written is dropped.
	Disconnected struct{}
	// Received: a message from the host.
	Received struct{ Message crx.Message }
	// Resynced: an empty line from the host, which asks for the state.
	Resynced struct{}
	// Malformed: a line from the host that is no message.
	Malformed struct{ Cause string }
	// Delivered: the host's end has taken a message.
	Delivered struct{ Message crx.Message }
	// IdentitySet: the machine has taken on an identity, or failed to.
	IdentitySet struct{ Cause string }
	// Terminated: a process in the machine asks PID 1 to power off, by signal.
	Terminated struct{}
	// Expired: a timer has run out.
	Expired struct{ Timer Timer }
)

// Timer names a timer of PID 1.
type Timer string

const (
	// Grace runs while the personality may end by itself.
	Grace Timer = "grace"
	// Delivery runs while the last message waits for a host.
	Delivery Timer = "delivery"
)

// Action is something that PID 1 has to do. Actions are carried out in order.
type Action interface{ action() }

type (
	// StartPersonality yields Started or StartFailed, and later Ended.
	StartPersonality struct{}
	// Freeze stops the personality and yields Frozen, or Ended when it has just ended.
	Freeze struct{}
	// Thaw lets it go on.
	Thaw struct{}
	// Rehearse lets it go on until it has rehearsed, and yields Waiting then.
	Rehearse struct{}
	// Terminate sends the personality SIGTERM.
	Terminate struct{}
	// Kill sends the personality SIGKILL.
	Kill struct{}
	// Send queues a message to the host and yields Delivered, or nothing when the host goes away.
	Send struct{ Message crx.Message }
	// Answer sends a Pong with the time at which it is carried out.
	Answer struct{ Nonce uint64 }
	// CorrectClock puts the wall clock forward.
	CorrectClock struct{ Behind time.Duration }
	// SetTimer starts a timer afresh; it yields Expired.
	SetTimer struct {
		Timer Timer
		After time.Duration
	}
	// SetIdentity yields IdentitySet.
	SetIdentity struct{ Identity crx.Identity }
	// Log writes a line to the console.
	Log struct{ Text string }
	// PowerOff ends all processes, syncs and ends the machine. Nothing comes after it.
	PowerOff struct{}
)

// Step returns the state after an event and what has to be done for it.
func (m Machine) Step(e Event) (Machine, []Action) {
	if m.phase == down {
		return m, nil
	}
	switch e := e.(type) {
	case Booted:
		return m.boot()
	case Started:
		return m.started()
	case Waiting:
		return m.waiting()
	case Frozen:
		m.phase = held
		return m, m.announce()
	case StartFailed:
		return m.end(crx.Exited{ExitCode: 127, Message: "the personality cannot start: " + e.Cause})
	case Ended:
		return m.end(crx.Exited{ExitCode: e.ExitCode, Signal: e.Signal, Message: e.Message})
	case Reported:
		m.status = &e.Status
		return m, m.announceStatus()
	case Connected:
		m.connected = true
		return m, m.announce()
	case Disconnected:
		m.connected = false
	case Received:
		return m.receive(e.Message)
	case Resynced:
		return m, m.announce()
	case Malformed:
		return m, []Action{Log{"init port: " + e.Cause}}
	case Delivered:
		return m.delivered(e.Message)
	case IdentitySet:
		return m.identitySet(e.Cause)
	case Terminated:
		return m.stop(signalGrace)
	case Expired:
		return m.expired(e.Timer)
	}
	return m, nil
}

func (m Machine) boot() (Machine, []Action) {
	if !m.Probe {
		return m, []Action{StartPersonality{}}
	}
	m.phase = running
	return m, append(m.announce(), SetTimer{Delivery, deliveryTimeout})
}

func (m Machine) started() (Machine, []Action) {
	m.phase = running
	if m.Template {
		m.phase = warming
	}
	return m, m.announce()
}

func (m Machine) waiting() (Machine, []Action) {
	if m.phase != warming {
		return m, nil
	}
	return m, []Action{Freeze{}}
}

// announce tells a connected host where the machine is.
func (m Machine) announce() []Action {
	if !m.connected {
		return nil
	}
	switch m.phase {
	case running, stopping:
		return append([]Action{Send{crx.Message{Ready: &m.Ready}}}, m.announceStatus()...)
	case held:
		return []Action{Send{crx.Message{Held: &m.held}}}
	case reporting:
		return []Action{Send{crx.Message{Exited: &m.exited}}}
	}
	return nil
}

func (m Machine) announceStatus() []Action {
	if m.status == nil || !m.connected || m.phase != running && m.phase != stopping {
		return nil
	}
	return []Action{Send{crx.Message{Status: m.status}}}
}

func (m Machine) receive(msg crx.Message) (Machine, []Action) {
	switch {
	case msg.Ping != nil:
		return m, []Action{Answer{msg.Ping.Nonce}}
	case msg.Clock != nil:
		return m, []Action{CorrectClock{time.Duration(msg.Clock.BehindNanos)}}
	case msg.Identity != nil:
		m.rehearse = msg.Identity.Rehearse && m.phase == held
		return m, []Action{SetIdentity{*msg.Identity}}
	case msg.PowerOff != nil:
		m.asked = true
		return m.stop(time.Duration(msg.PowerOff.GraceMillis) * time.Millisecond)
	}
	return m, []Action{Log{"init port: a message of a kind that this PID 1 does not know"}}
}

// stop ends the personality. A second request may shorten the grace period of the first.
func (m Machine) stop(grace time.Duration) (Machine, []Action) {
	switch {
	case m.Probe, m.phase == booting, m.phase == held, m.phase == reporting:
		m.phase = down
		return m, []Action{PowerOff{}}
	case grace <= 0:
		m.phase = stopping
		return m, []Action{Kill{}}
	}
	m.phase = stopping
	return m, []Action{Terminate{}, SetTimer{Grace, grace}}
}

// end reports why the machine powers off. The first reason counts.
func (m Machine) end(exited crx.Exited) (Machine, []Action) {
	if m.phase == reporting {
		return m, nil
	}
	m.phase, m.exited = reporting, exited
	timeout := deliveryTimeout
	if m.asked {
		timeout = askedDeliveryTimeout
	}
	return m, append(m.announce(), SetTimer{Delivery, timeout})
}

func (m Machine) delivered(msg crx.Message) (Machine, []Action) {
	last := m.phase == reporting && msg.Exited != nil || m.Probe && msg.Ready != nil
	if !last {
		return m, nil
	}
	m.phase = down
	return m, []Action{PowerOff{}}
}

// identitySet answers the host. A clone that could not be given entropy of its own must not go on: it would draw the
// same random numbers as its siblings.
func (m Machine) identitySet(cause string) (Machine, []Action) {
	if cause == "" && m.phase == held && m.rehearse {
		m.phase, m.rehearse = warming, false
		m.held.Rehearsals++
		return m, []Action{Rehearse{}}
	}
	if cause == "" && m.phase == held {
		m.phase = running
		return m, append([]Action{Thaw{}}, m.announce()...)
	}
	if cause == "" {
		return m, m.announce()
	}
	m, actions := m.end(crx.Exited{ExitCode: 1, Message: "the machine cannot take on its identity: " + cause})
	return m, append([]Action{Kill{}}, actions...)
}

func (m Machine) expired(t Timer) (Machine, []Action) {
	switch {
	case t == Grace && m.phase == stopping:
		return m, []Action{Kill{}}
	case t == Delivery && (m.phase == reporting || m.Probe):
		m.phase = down
		return m, []Action{Log{"no host took the last message in time"}, PowerOff{}}
	}
	return m, nil
}

func (Booted) event()       {}
func (Started) event()      {}
func (Waiting) event()      {}
func (Frozen) event()       {}
func (StartFailed) event()  {}
func (Ended) event()        {}
func (Reported) event()     {}
func (Connected) event()    {}
func (Disconnected) event() {}
func (Received) event()     {}
func (Resynced) event()     {}
func (Malformed) event()    {}
func (Delivered) event()    {}
func (IdentitySet) event()  {}
func (Terminated) event()   {}
func (Expired) event()      {}

func (StartPersonality) action() {}
func (Freeze) action()           {}
func (Thaw) action()             {}
func (Rehearse) action()         {}
func (Terminate) action()        {}
func (Kill) action()             {}
func (Send) action()             {}
func (Answer) action()           {}
func (CorrectClock) action()     {}
func (SetTimer) action()         {}
func (SetIdentity) action()      {}
func (Log) action()              {}
func (PowerOff) action()         {}

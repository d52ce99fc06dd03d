package podstate

import (
	"slices"
	"time"
)

// advance does whatever the state allows now. It looks at nothing but the state, so it may be called at any time.
func (m *Machine) advance() {
	if m.begun.IsZero() && !m.stopping || m.finished {
		return
	}
	if d := m.plan.Deadline; d > 0 && !m.expired && !m.now.Before(m.begun.Add(d)) {
		m.expired = true
		m.note(nil, false, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
		m.stopAll(m.plan.Grace)
	}
	if !m.stopping {
		m.run()
	}
	for _, c := range m.containers {
		m.continueStop(c)
	}
	if m.stopping && !slices.ContainsFunc(m.containers, func(c *Container) bool { return !c.idle() }) {
		m.finished = true
		m.do(Action{Kind: Finish})
	}
}

// run starts what is to be started, and ends the pod when its work is done.
func (m *Machine) run() {
	for _, c := range m.containers {
		if c.Ephemeral && !c.done(m.plan.Policy) {
			m.ensure(c)
		}
	}
	if ready := m.initialise(); !ready || m.stopping {
		return
	}
	all := true
	for _, c := range m.containers {
		if c.Init || c.Ephemeral {
			continue
		}
		if !c.done(m.plan.Policy) {
			all = false
			m.ensure(c)
		}
		// The next one starts when this one has, its postStart hook included.
		if c.Starting || c.HookBusy {
			return
		}
	}
	if all {
		m.stopAll(m.plan.Grace)
	}
}

// initialise runs the init containers one after another and tells whether the others may run.
func (m *Machine) initialise() bool {
	for _, c := range m.containers {
		switch {
		case !c.Init:
			return true // the init containers come first
		case c.Sidecar:
			m.ensure(c)
			// Once others came after it, a sidecar that restarts does not hold them.
			if !c.StartedUp() && !m.passed(c) {
				return false
			}
		case c.idle() && c.succeeded():
		case c.done(m.plan.Policy):
			m.stopAll(m.plan.Grace) // the pod has failed
			return false
		default:
			m.ensure(c)
			return false
		}
	}
	return true
}

// passed tells whether a container after this one in the order was started in this VM.
func (m *Machine) passed(c *Container) bool {
	i := slices.Index(m.containers, c)
	return slices.ContainsFunc(m.containers[i+1:], func(later *Container) bool {
		return later.ran && !later.Ephemeral
	})
}

// ensure starts the container unless it lives or has to wait.
func (m *Machine) ensure(c *Container) {
	if !c.idle() || m.now.Before(c.next) {
		return
	}
	if c.ConfigError != "" {
		m.startFailed(c, Event{Fault: ConfigError, Message: c.ConfigError})
		return
	}
	if c.Exit != nil && !c.changed {
		if c.backoff.inSince(c.Exit.FinishedAt, m.now) {
			c.next = c.Exit.FinishedAt.Add(c.backoff.Duration)
			c.wait("CrashLoopBackOff", c.backoffMessage(m.plan.Pod))
			if !c.noted {
				c.noted = true
				m.note(c, true, "BackOff", "Back-off restarting failed container %s in pod %s", c.Name, m.plan.Pod)
			}
			return
		}
		c.backoff.advance(c.Exit.FinishedAt, m.now)
	}
	c.Starting, c.ran, c.changed = true, true, false
	m.do(Action{Kind: Start, Container: c.Name, Attempt: c.Starts})
	c.Starts++
}

// Wake is when Step wants a Tick; zero for never.
func (m *Machine) Wake() time.Time {
	var wake time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && t != never && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	if m.finished {
		return wake
	}
	if m.plan.Deadline > 0 && !m.expired && !m.begun.IsZero() {
		earliest(m.begun.Add(m.plan.Deadline))
	}
	for _, c := range m.containers {
		switch {
		case c.stop != nil && c.stop.termed && !c.stop.killed:
			earliest(c.stop.killAt)
		case c.stop != nil && !c.stop.termed:
			earliest(c.stop.by)
		case c.idle() && !m.stopping:
			earliest(c.next)
		}
	}
	return wake
}

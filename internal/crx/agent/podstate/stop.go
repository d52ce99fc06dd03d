package podstate

import (
	"slices"
	"time"
)

// stopAll ends the pod. A later call may shorten the grace period.
func (m *Machine) stopAll(grace time.Duration) {
	by := m.now.Add(max(grace, 0))
	m.stopping = true
	if m.podStopBy.IsZero() || by.Before(m.podStopBy) {
		m.podStopBy = by
	}
	for _, c := range m.containers {
		if !c.Running {
			continue
		}
		if c.stop == nil {
			m.act(ProbeNoKill, c)
		}
		m.beginStop(c, by, "")
	}
}

// beginStop begins to end a container, or shortens the time it has for that.
func (m *Machine) beginStop(c *Container, by time.Time, message string) {
	if s := c.stop; s != nil {
		if by.Before(s.by) {
			s.by = by
			s.killAt = earlier(s.killAt, later(by, m.now.Add(minimumGrace)))
		}
		return
	}
	if message == "" {
		message = "Stopping container " + c.Name
	}
	m.note(c, false, "Killing", "%s", message)
	c.stop = &stop{by: by}
	if c.PreStop && by.After(m.now) {
		c.stop.hookBusy = true
		m.do(Action{Kind: PreStop, Container: c.Name, Grace: by.Sub(m.now)})
	}
}

// continueStop takes the next step to a container's end: hook, turn, stop signal, SIGKILL.
func (m *Machine) continueStop(c *Container) {
	s := c.stop
	if s == nil || !c.Running {
		return
	}
	late := !m.now.Before(s.by)
	if !s.termed && (!s.hookBusy && m.itsTurn(c) || late) {
		s.termed = true
		s.killAt = later(s.by, m.now.Add(minimumGrace))
		m.act(Terminate, c)
	}
	if s.termed && !s.killed && !m.now.Before(s.killAt) {
		s.killed = true
		m.act(Kill, c)
	}
}

// itsTurn: sidecars end after the main containers, in the reverse of their order.
func (m *Machine) itsTurn(c *Container) bool {
	if !c.Sidecar || !m.stopping {
		return true
	}
	i := slices.Index(m.containers, c)
	return !slices.ContainsFunc(m.containers[i+1:], func(after *Container) bool { return !after.idle() && !after.Ephemeral })
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

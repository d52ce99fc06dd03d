package podstate

import (
	"fmt"
	"slices"
	"time"
)

// Machine is the state of a pod. It is not safe for concurrent use.
type Machine struct {
	plan       Plan
	containers []*Container // init containers first
	begun      time.Time
	stopping   bool
	podStopBy  time.Time // end of the grace period once stopping
	expired    bool
	evicted    string // why, "" if not
	finished   bool
	now        time.Time
	out        []Action
}

// New makes the machine of a pod that was never started before.
func New(plan Plan) *Machine {
	m := &Machine{plan: plan}
	for _, s := range plan.Init {
		m.containers = append(m.containers, &Container{Spec: s, Init: true, Sidecar: s.Policy == Always})
	}
	for _, s := range plan.Main {
		m.containers = append(m.containers, &Container{Spec: s})
	}
	for _, s := range plan.Ephemeral {
		m.containers = append(m.containers, &Container{Spec: s, Ephemeral: true})
	}
	for _, c := range m.containers {
		c.wait(m.initialReason(), "")
	}
	return m
}

func (m *Machine) initialReason() string {
	if len(m.plan.Init) > 0 {
		return "PodInitializing"
	}
	return "ContainerCreating"
}

// Containers in the order of the plan, init containers first, ephemeral ones last. They are the machine's own.
func (m *Machine) Containers() []*Container { return m.containers }

// Stopping tells whether the pod is being ended.
func (m *Machine) Stopping() bool { return m.stopping }

// Evicted says why the pod was ended for its use of storage; "" if it was not.
func (m *Machine) Evicted() string { return m.evicted }

// Finished tells whether nothing runs and nothing will be started.
func (m *Machine) Finished() bool { return m.finished }

// Find returns the container of this name, or nil.
func (m *Machine) Find(name string) *Container {
	i := slices.IndexFunc(m.containers, func(c *Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return m.containers[i]
}

// Step takes an event and returns what to do, in order.
func (m *Machine) Step(now time.Time, e Event) []Action {
	m.now, m.out = now, nil
	switch e.Kind {
	case Begin:
		m.begun = now
	case Stop:
		m.stopAll(e.Grace)
	case Evict:
		m.evict(e.Message)
	case Add:
		m.add(*e.Spec)
	case Deadline:
		m.plan.Deadline = 0
		if e.Grace > 0 {
			m.plan.Deadline = now.Sub(m.begun) + e.Grace
		}
	case Tick:
	default:
		if c := m.Find(e.Container); c != nil {
			m.container(c, e)
		}
	}
	m.advance()
	return m.out
}

func (m *Machine) do(a Action) { m.out = append(m.out, a) }

func (m *Machine) act(kind ActionKind, c *Container) { m.do(Action{Kind: kind, Container: c.Name}) }

func (m *Machine) note(c *Container, warning bool, reason, format string, args ...any) {
	a := Action{Kind: Note, Warning: warning, Reason: reason, Message: fmt.Sprintf(format, args...)}
	if c != nil {
		a.Container = c.Name
	}
	m.do(a)
}

func (m *Machine) container(c *Container, e Event) {
	switch e.Kind {
	case Started:
		m.started(c, e.ID)
	case StartFailed:
		m.startFailed(c, e)
	case Exited:
		if c.Running || c.Starting {
			m.act(ProbeEnd, c)
			m.exited(c, e.End)
		}
	case HookDone, HookFailed:
		m.hookEnded(c, e)
	case PreStopDone:
		if c.stop != nil {
			c.stop.hookBusy = false
		}
	case Up:
		if c.Running && !c.Up {
			c.Up = true
			m.probe(c)
		}
	case Ready, NotReady:
		c.Ready = c.Running && e.Kind == Ready
	case Unhealthy:
		m.unhealthy(c, e.Message)
	case Change:
		m.change(c, *e.Spec)
	case Restart:
		m.restart(c, e.Message)
	}
}

func (m *Machine) add(s Spec) {
	if m.Find(s.Name) != nil {
		return
	}
	c := &Container{Spec: s, Ephemeral: true}
	c.wait(m.initialReason(), "")
	m.containers = append(m.containers, c)
}

// change takes a new configuration. One that could not be made before is tried at once.
func (m *Machine) change(c *Container, s Spec) {
	if c.Reason == string(ConfigError) && s.ConfigError != c.ConfigError {
		c.wait(m.initialReason(), "")
		c.next = time.Time{}
	}
	c.Spec = s
}

// restart restarts a container, whatever its policy: its exit is not its own.
func (m *Machine) restart(c *Container, why string) {
	if !c.Running || m.stopping || c.stop != nil {
		return
	}
	c.changed = true
	m.act(ProbeEnd, c)
	m.beginStop(c, m.now.Add(m.plan.Grace), why)
}

// evict ends the pod for good.
func (m *Machine) evict(message string) {
	if m.evicted != "" || m.finished {
		return
	}
	m.evicted = message
	m.note(nil, true, "Evicted", "%s", message)
	m.stopAll(evictionGrace)
}

func (m *Machine) started(c *Container, id string) {
	c.Starting, c.Running = false, true
	c.ID, c.StartedAt = id, m.now
	c.Reason, c.Message = "", ""
	c.Up = !c.Startup
	m.note(c, false, "Created", "Container created")
	m.note(c, false, "Started", "Container started")
	if c.PostStart && !m.stopping {
		c.HookBusy = true
		m.act(PostStart, c)
	}
	if m.stopping {
		m.beginStop(c, m.podStopBy, "")
		return
	}
	m.probe(c)
}

// probe starts the probes that the container's state asks for.
func (m *Machine) probe(c *Container) {
	switch {
	case c.stop != nil:
	case !c.Up:
		m.act(ProbeStart, c)
	case c.Readiness || c.Liveness:
		m.act(ProbeRun, c)
	}
}

func (m *Machine) startFailed(c *Container, e Event) {
	if c.Starting && e.Fault != StartError {
		c.Starts--
	}
	c.Starting = false
	switch e.Fault {
	case ConfigError:
		c.wait(string(ConfigError), e.Message)
		c.next = never
	case CreateError:
		c.wait(string(CreateError), e.Message)
		c.next = m.now.Add(faultBackoff)
	case StartError:
		c.exited(e.End)
		if c.restarts(m.plan.Policy) {
			c.wait("RunContainerError", e.Message)
		}
		c.next = m.now.Add(faultBackoff)
	}
	m.note(c, true, "Failed", "Error: %s", e.Message)
}

// never is further than any pod lives.
var never = time.Unix(1<<40, 0)

func (m *Machine) hookEnded(c *Container, e Event) {
	if !c.HookBusy {
		return
	}
	c.HookBusy = false
	if e.Kind == HookDone || !c.Running {
		return
	}
	c.hookFailed = e.Message
	m.note(c, true, "FailedPostStartHook", "PostStartHook failed")
	m.beginStop(c, m.now.Add(m.plan.Grace), "FailedPostStartHook")
}

// exited keeps the reason of a failed postStart hook for users to see.
func (m *Machine) exited(c *Container, end Termination) {
	failed := c.hookFailed
	c.hookFailed = ""
	c.exited(end)
	if failed != "" && c.restarts(m.plan.Policy) {
		c.wait("PostStartHookError", failed)
	}
}

func (m *Machine) unhealthy(c *Container, probe string) {
	if !c.Running || m.stopping || c.stop != nil {
		return
	}
	grace := m.plan.Grace
	if own := map[string]*time.Duration{"liveness": c.LivenessGrace, "startup": c.StartupGrace}[probe]; own != nil {
		grace = *own
	}
	message := fmt.Sprintf("Container %s failed %s probe", c.Name, probe)
	if c.policy(m.plan.Policy) != Never {
		message += ", will be restarted"
	}
	m.act(ProbeEnd, c)
	m.beginStop(c, m.now.Add(grace), message)
}

package agent

import (
	"sync"
	"time"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/podstate"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxEvents bounds the events that are kept for a spherelet that was away.
const maxEvents = 200

// publisher holds the present status for those who watch.
type publisher struct {
	mu       sync.Mutex
	present  *agentv1.PodStatus
	changed  chan struct{} // closed and replaced when present changes
	events   []*agentv1.Event
	sequence uint64
	netReady time.Time
	setupErr string
}

func newPublisher(first *agentv1.PodStatus) *publisher {
	first.Sequence = 1
	return &publisher{present: first, changed: make(chan struct{})}
}

func (s *publisher) get() (*agentv1.PodStatus, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.present, s.changed
}

// note keeps an event; it is published with the next status.
func (s *publisher) note(a podstate.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence++
	s.events = append(s.events, &agentv1.Event{
		Sequence: s.sequence, At: timestamppb.Now(), Warning: a.Warning, Reason: a.Reason, Message: a.Message, Container: a.Container,
	})
	if over := len(s.events) - maxEvents; over > 0 {
		s.events = s.events[over:]
	}
}

func (s *publisher) setup(r setupResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setupErr = ""
	if r.err != nil {
		s.setupErr = r.err.Error()
	}
	if s.netReady.IsZero() {
		s.netReady = r.network
	}
}

// publish replaces the status if it differs.
func (s *publisher) publish(next *agentv1.PodStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next.SetupError, next.Sequence = s.setupErr, s.present.GetSequence()
	if !s.netReady.IsZero() {
		next.NetworkReadyAt = timestamppb.New(s.netReady)
	}
	next.Events = append(next.Events, s.events...)
	if proto.Equal(next, s.present) {
		return
	}
	next.Sequence++
	s.present = next
	close(s.changed)
	s.changed = make(chan struct{})
}

// publish shows the machine's state, once what must outlive the VM is on disk. Called by run only.
func (p *pod) publish() {
	status := p.project()
	if p.record == nil {
		p.status.publish(status)
		return
	}
	kept := record{UID: p.spec.GetUid(), Containers: p.machine.Record(), Evicted: p.machine.Evicted()}
	p.record.keep(change{record: kept, show: func() { p.status.publish(status) }})
}

// project makes the status of the machine's state.
func (p *pod) project() *agentv1.PodStatus {
	m := p.machine
	s := &agentv1.PodStatus{Started: true, Stopping: m.Stopping(), Finished: m.Finished(), Evicted: m.Evicted()}
	for _, c := range m.Containers() {
		cs := projectContainer(c, m.Finished())
		p.describeRun(cs)
		switch {
		case c.Init:
			s.InitContainers = append(s.InitContainers, cs)
		case c.Ephemeral:
			s.EphemeralContainers = append(s.EphemeralContainers, cs)
		default:
			s.Containers = append(s.Containers, cs)
		}
	}
	return s
}

// describeRun adds what only the present run of the container knows.
func (p *pod) describeRun(s *agentv1.ContainerStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.instances[s.GetName()]
	if i == nil {
		return
	}
	s.User = &agentv1.User{Uid: int64(i.user.UID), Gid: int64(i.user.GID)}
	for _, g := range i.user.Groups {
		s.User.Groups = append(s.User.Groups, int64(g))
	}
	s.Resources, s.ResizeError = i.resources, i.resizeFailed
}

func projectContainer(c *podstate.Container, finished bool) *agentv1.ContainerStatus {
	s := &agentv1.ContainerStatus{
		Name: c.Name, ContainerId: c.ID, RestartCount: c.Restarts(), Ready: c.IsReady(), Started: c.StartedUp(),
		State: &agentv1.State{},
	}
	switch {
	case c.Running:
		s.State.State = &agentv1.State_Running{Running: &agentv1.Running{StartedAt: timestamppb.New(c.StartedAt)}}
		s.LastTermination = termination(c.Exit)
	case c.Exit != nil && (c.Reason == "" || finished):
		s.State.State = &agentv1.State_Terminated{Terminated: termination(c.Exit)}
		s.LastTermination = termination(c.Last)
	default:
		s.State.State = &agentv1.State_Waiting{Waiting: &agentv1.Waiting{Reason: c.Reason, Message: c.Message}}
		s.LastTermination = termination(c.Exit)
	}
	return s
}

func termination(t *podstate.Termination) *agentv1.Termination {
	if t == nil {
		return nil
	}
	out := &agentv1.Termination{
		ExitCode: t.ExitCode, Reason: t.Reason, Message: t.Message, ContainerId: t.ID, FinishedAt: timestamppb.New(t.FinishedAt),
	}
	if !t.StartedAt.IsZero() {
		out.StartedAt = timestamppb.New(t.StartedAt)
	}
	return out
}

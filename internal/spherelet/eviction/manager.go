package eviction

import (
	"context"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
)

const (
	// lookEvery is the kubelet's period of looking at its signals.
	lookEvery = 10 * time.Second
	// settle is how long an evicted pod may take to go after its grace period, as with the kubelet.
	settle = 30 * time.Second
)

// Reason of an evicted pod.
const Reason = "Evicted"

// Manager looks at the host again and again.
type Manager struct {
	Config Config
	// Levels of the signals that can be seen now.
	Levels func() map[Signal]Level
	// Reclaim frees what of the datastore no pod uses; Levels are fresh when it returns. It is asked before a pod goes for it.
	Reclaim func(context.Context) error
	// Pods that run on the node with what they use; asked only when one has to go.
	Pods func(context.Context) []Usage
	// Evict ends a pod and returns when nothing of it runs any more.
	Evict func(context.Context, *Victim) error
	// Changed is called when the node's pressures are others than before.
	Changed func()
	Events  record.EventRecorder
	Node    *v1.ObjectReference

	mu        sync.Mutex
	pressures []v1.NodeConditionType
}

// Pressures that the node has now.
func (m *Manager) Pressures() []v1.NodeConditionType {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pressures
}

// Run works until ctx ends. An evicted pod's end is waited for, so that no more pods go than needed.
func (m *Manager) Run(ctx context.Context) {
	var state State
	for {
		if victim := m.look(ctx, &state); victim != nil {
			m.evict(ctx, victim)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

func (m *Manager) evict(ctx context.Context, victim *Victim) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(victim.GraceSeconds)*time.Second+settle)
	defer cancel()
	if err := m.Evict(ctx, victim); err != nil {
		klog.ErrorS(err, "Evicted pod has not ended yet; going on", "pod", klog.KObj(victim.Pod))
	}
}

func (m *Manager) look(ctx context.Context, state *State) *Victim {
	d := state.Decide(m.Config, m.Levels(), time.Now())
	m.set(d.Pressures)
	if d.Starved == nil {
		return nil
	}
	klog.InfoS("The host runs out of something", "signal", d.Starved.Signal, "available", d.Level.Available, "threshold", d.Starved.Value(d.Level.Capacity).String())
	m.Events.Eventf(m.Node, v1.EventTypeWarning, "EvictionThresholdMet", "Attempting to reclaim %s", d.Starved.Signal.Resource())
	if d = m.reclaim(ctx, state, d); d.Starved == nil {
		return nil
	}
	victim := d.Choose(m.Config, m.Pods(ctx))
	if victim == nil {
		klog.InfoS("There is no pod that could be evicted", "signal", d.Starved.Signal)
		return nil
	}
	klog.InfoS("Evicting pod", "pod", klog.KObj(victim.Pod), "message", victim.Message)
	m.Events.Event(victim.Pod, v1.EventTypeWarning, Reason, victim.Message)
	return victim
}

// reclaim is the decision after what no pod uses is gone.
func (m *Manager) reclaim(ctx context.Context, state *State, d Decision) Decision {
	if d.Starved.Signal.Condition() != v1.NodeDiskPressure {
		return d
	}
	if err := m.Reclaim(ctx); err != nil {
		klog.ErrorS(err, "Images that nothing uses could not be removed; a pod goes instead")
		return d
	}
	after := state.Decide(m.Config, m.Levels(), time.Now())
	if after.Starved == nil {
		klog.InfoS("Removing unused images was enough", "signal", d.Starved.Signal)
	}
	return after
}

func (m *Manager) set(pressures []v1.NodeConditionType) {
	m.mu.Lock()
	same := slices.Equal(m.pressures, pressures)
	m.pressures = pressures
	m.mu.Unlock()
	if !same {
		m.Changed()
	}
}

// Package eviction protects the host: when its memory, datastore or process numbers run out it says so by conditions of
// the node, and ends pods, one after another, in the kubelet's order.
//
// [State.Decide] is pure; [Manager] looks at the host and carries the decisions out.
package eviction

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"pacific/internal/spherelet/qos"
)

// Level of a signal.
type Level struct{ Available, Capacity int64 }

// Config of the decisions.
type Config struct {
	Thresholds []Threshold
	// Transition is how long a condition stays after its signal was last below: pods would be scheduled again at once,
	// and evicted again.
	Transition time.Duration
	// MaxGraceSeconds bounds the grace period of pods that go for a soft threshold.
	MaxGraceSeconds int64
}

// State is remembered from one look to the next.
type State struct {
	// Since when each threshold (by index) is met.
	Since map[int]time.Time
	// Seen is when a condition was last true.
	Seen map[v1.NodeConditionType]time.Time
}

// Decision for now.
type Decision struct {
	// Pressures of the node, in a fixed order.
	Pressures []v1.NodeConditionType
	// Starved is the threshold for which pods have to go; nil if none has to.
	Starved *Threshold
	// Level of its signal.
	Level Level
}

// Decide takes the levels of the signals in. A signal without a level was not seen, and keeps its state.
func (s *State) Decide(config Config, levels map[Signal]Level, now time.Time) Decision {
	if s.Since == nil {
		s.Since, s.Seen = map[int]time.Time{}, map[v1.NodeConditionType]time.Time{}
	}
	for i, t := range config.Thresholds {
		level, seen := levels[t.Signal]
		switch {
		case !seen:
		case level.Available >= value(t, level):
			delete(s.Since, i)
		default:
			if s.Since[i].IsZero() {
				s.Since[i] = now
			}
			s.Seen[t.Signal.Condition()] = now
		}
	}
	var d Decision
	for _, c := range []v1.NodeConditionType{v1.NodeMemoryPressure, v1.NodeDiskPressure, v1.NodePIDPressure} {
		if at, ok := s.Seen[c]; ok && now.Sub(at) < max(config.Transition, 1) {
			d.Pressures = append(d.Pressures, c)
		}
	}
	d.Starved, d.Level = s.starved(config, levels, now)
	return d
}

// starved is the most urgent threshold that has been met for its grace period.
func (s *State) starved(config Config, levels map[Signal]Level, now time.Time) (*Threshold, Level) {
	for _, signal := range signals {
		level, seen := levels[signal]
		for _, hard := range []bool{true, false} {
			for i, t := range config.Thresholds {
				since, met := s.Since[i]
				if seen && met && t.Signal == signal && (t.Grace == 0) == hard && now.Sub(since) >= t.Grace {
					return &t, level
				}
			}
		}
	}
	return nil, Level{}
}

func value(t Threshold, level Level) int64 { return t.Value(level.Capacity).Value() }

// Victim is the pod that goes for a starved threshold.
type Victim struct {
	Pod          *v1.Pod
	Message      string
	GraceSeconds int64
}

// Choose takes the first of the ranked pods that is not critical; nil if there is none.
func (d Decision) Choose(config Config, pods []Usage) *Victim {
	pods = slices.DeleteFunc(slices.Clone(pods), func(u Usage) bool { return qos.Critical(u.Pod) })
	if d.Starved == nil || len(pods) == 0 {
		return nil
	}
	rank(pods, d.Starved.Signal)
	first := pods[0]
	grace := int64(hardGrace)
	if d.Starved.Grace > 0 {
		grace = config.MaxGraceSeconds
		if own := first.Pod.Spec.TerminationGracePeriodSeconds; own != nil {
			grace = min(grace, *own)
		}
	}
	available := resource.NewQuantity(d.Level.Available, resource.BinarySI)
	return &Victim{first.Pod, message(first, d.Starved.Signal, d.Starved.Value(d.Level.Capacity), available), grace}
}

// hardGrace is the kubelet's: the host is in danger, but a process may hear that it ends.
const hardGrace = 1

package podworker

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/spherelet/admission"
	"pacific/internal/spherelet/eviction"
)

// Eviction is why the node ends a pod that could run on.
type Eviction struct {
	// Reason and Message of the pod's status, Condition the message of its condition DisruptionTarget.
	Reason       string `json:"reason"`
	Message      string `json:"message"`
	Condition    string `json:"condition"`
	GraceSeconds int64  `json:"graceSeconds"`
}

// Evict ends a pod for good: it fails, and stays until its object is deleted. It returns when the pod's machine is gone.
// A pod that has ended already is left as it is.
func (m *Manager) Evict(ctx context.Context, pod *v1.Pod, why Eviction) error {
	w := m.find(string(pod.UID))
	if w == nil {
		return nil
	}
	if err := w.evict(why); err != nil {
		return err
	}
	for !w.quiet() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(evictPoll):
		}
	}
	return nil
}

// evictPoll is how often the end of an evicted pod is looked for; it takes about a second.
const evictPoll = 100 * time.Millisecond

// evict is on disk before anything ends, so that a spherelet that is killed meanwhile does not take the pod's end for its
// own.
func (w *Worker) evict(why Eviction) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pod == nil || w.state.Outcome != NoOutcome || w.state.Pod.Terminal {
		return nil
	}
	kept := w.kept
	kept.Outcome, kept.Eviction = Evicted, &why
	if err := w.node.Keep.Save(w.uid, &kept); err != nil {
		return err
	}
	w.kept = kept
	w.post(Event{Evict: &why.GraceSeconds}, nil)
	return nil
}

// quiet tells whether nothing of the pod runs any more.
func (w *Worker) quiet() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.pending[CreateMachine] {
		return false
	}
	return w.state.Machine.Known && !w.state.Machine.Exists && (w.state.Outcome != NoOutcome || w.state.Pod.Terminal || w.state.Pod.Gone)
}

// Active are the pods that run or are about to.
func (m *Manager) Active() []*v1.Pod {
	m.admitting.Lock()
	defer m.admitting.Unlock()
	return m.others(&v1.Pod{})
}

// Usage asks the agents of all active pods what they use.
func (m *Manager) Usage(ctx context.Context) []eviction.Usage {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pods := m.Active()
	out := make([]eviction.Usage, len(pods))
	var all sync.WaitGroup
	for i, pod := range pods {
		out[i].Pod = pod
		w := m.find(string(pod.UID))
		if w == nil {
			continue
		}
		link, err := w.Link()
		if err != nil {
			continue
		}
		all.Go(func() {
			if stats, err := link.Agent.Stats(ctx, &agentv1.StatsRequest{}); err == nil {
				out[i] = usage(pod, stats)
			}
		})
	}
	all.Wait()
	return out
}

func usage(pod *v1.Pod, stats *agentv1.StatsResponse) eviction.Usage {
	u := eviction.Usage{Pod: pod, Known: true, DiskBytes: int64(stats.EphemeralUsedBytes)}
	for _, c := range stats.Containers {
		u.Containers = append(u.Containers, eviction.Container{Name: c.Name, MemoryBytes: int64(c.MemoryWorkingSetBytes),
			DiskBytes: int64(c.RootfsUsedBytes + c.LogsUsedBytes), Processes: int64(c.Pids)})
	}
	return u
}

// preempt makes room for a critical pod, and tells whether there will be enough.
func (m *Manager) preempt(pod *v1.Pod, others []*v1.Pod, short []admission.Shortage) bool {
	victims := admission.Victims(pod, others, short)
	if len(victims) == 0 {
		return false
	}
	for _, victim := range victims {
		w := m.find(string(victim.UID))
		if w == nil {
			continue
		}
		klog.InfoS("Preempting pod", "pod", klog.KObj(victim), "for", klog.KObj(pod))
		m.node.Events.Event(victim, v1.EventTypeWarning, admission.ReasonPreempted, admission.MessagePreempted)
		why := Eviction{Reason: admission.ReasonPreempted, Message: admission.MessagePreempted, Condition: admission.ConditionPreempted}
		if grace := victim.Spec.TerminationGracePeriodSeconds; grace != nil {
			why.GraceSeconds = *grace
		}
		if err := w.evict(why); err != nil {
			klog.ErrorS(err, "Pod could not be preempted", "pod", klog.KObj(victim))
			return false
		}
	}
	return true
}

package podworker

import (
	"context"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/admission"
	"pacific/internal/spherelet/agentlink"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/status"
)

// Worker looks after one pod. Its loop is the only place where the state changes.
type Worker struct {
	node    *Node
	uid     string
	manager *Manager
	writer  *status.Writer
	cancel  context.CancelFunc
	mail    mailbox

	mu      sync.Mutex // guards all below for readers outside the loop
	state   *State
	kept    Kept
	pod     *v1.Pod // as the API server has it; nil for a machine whose pod nobody knows
	machine *hostv1.VirtualMachine
	agent   *agentv1.PodStatus
	link    *agentlink.Link
	linkEnd context.CancelFunc // ends a connection or the attempt to make one
	died    bool               // the machine ended, and the agent has not got the pod again since

	contents   *podspec.Contents
	problems   map[string]string // by container
	complained string            // the problems that events were recorded for
	complainAt time.Time
	images     map[string]podspec.Image
	told       told
	resize     resize
	rejection  *admission.Rejection
	foreign    bool // the pod had ended before this spherelet knew it, and nothing is kept of it
	renew      *time.Timer
}

func newWorker(m *Manager, uid string, pod *v1.Pod) *Worker {
	w := &Worker{node: m.node, manager: m, uid: uid, pod: pod, state: New(), images: map[string]podspec.Image{}}
	w.mail.ready = make(chan struct{}, 1)
	w.writer = status.NewWriter(m.node.Kube, w.status, w.wrote)
	return w
}

// mailbox is an unbounded queue, so that nobody who brings news ever waits for a worker.
type mailbox struct {
	mu    sync.Mutex
	queue []func() (Event, bool)
	ready chan struct{}
}

func (m *mailbox) put(f func() (Event, bool)) {
	m.mu.Lock()
	m.queue = append(m.queue, f)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []func() (Event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queue
	m.queue = nil
	return q
}

// post brings an event; change is applied with the lock held, just before the event is taken in, and may veto it.
func (w *Worker) post(e Event, change func() bool) {
	w.mail.put(func() (Event, bool) { return e, change == nil || change() })
}

func (w *Worker) run(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(ctx)
	defer w.cancel()
	go w.writer.Run(ctx)
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wake.C:
			w.post(Event{Woken: true}, nil)
		case <-w.mail.ready:
			for _, f := range w.mail.take() {
				w.take(ctx, f, wake)
			}
		}
	}
}

func (w *Worker) take(ctx context.Context, f func() (Event, bool), wake *time.Timer) {
	w.mu.Lock()
	e, ok := f()
	if !ok {
		w.mu.Unlock()
		return
	}
	before := w.state.String()
	outcome := w.state.Outcome
	actions := w.state.Step(e, time.Now())
	if w.state.Outcome != outcome {
		w.noteOutcome()
	}
	after := w.state.String()
	w.mu.Unlock()
	if before != after {
		klog.V(2).InfoS("Pod", "pod", w.name(), "uid", w.uid, "state", after)
	}
	wake.Reset(time.Hour)
	for _, a := range actions {
		switch a.Kind {
		case Wake:
			wake.Reset(time.Until(a.At))
		case TakeSlot:
			w.manager.slots.take(w.waiter(a.Begun))
		case FreeSlot:
			w.manager.slots.free(w.uid)
		default:
			go w.do(ctx, a)
		}
	}
	w.writer.Poke()
}

// waiter is the pod among those that want to start.
func (w *Worker) waiter(begun bool) waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	return waiter{uid: w.uid, begun: begun, priority: ptr.Deref(w.pod.Spec.Priority, 0), granted: func() {
		w.post(Event{Done: &Done{Kind: TakeSlot}}, nil)
	}}
}

// tellQueued tells why nothing is seen of the pod yet.
func (w *Worker) tellQueued() {
	starting, before := w.manager.slots.queue(w.uid)
	w.node.Events.Eventf(w.Pod(), v1.EventTypeNormal, "Queued", "Waiting until others have started: %d pods start on host %s now, and %d wait before this one", starting, w.node.Name, before)
}

func (w *Worker) name() klog.ObjectRef {
	w.mu.Lock()
	defer w.mu.Unlock()
	return klog.KRef(w.kept.Namespace, w.kept.Name)
}

// SetPod brings the pod's object as the informer has it.
func (w *Worker) SetPod(pod *v1.Pod) {
	facts := podFacts(pod)
	w.post(Event{Pod: &facts}, func() bool {
		if w.pod != nil && !newer(w.pod, pod) {
			return false
		}
		w.adopt(pod)
		facts.Resize = w.wantsResize()
		return true
	})
}

func (w *Worker) adopt(pod *v1.Pod) {
	if w.pod != nil && len(w.pod.Spec.EphemeralContainers) != len(pod.Spec.EphemeralContainers) {
		w.node.References.Register(pod) // they may name others
	}
	w.pod = pod
	if networkReady(pod) {
		w.node.Starts.Reached(w.uid, podstarts.Network, time.Now())
	}
}

func newer(have, pod *v1.Pod) bool {
	order, err := resourceversion.CompareResourceVersion(have.ResourceVersion, pod.ResourceVersion)
	return err != nil || order <= 0
}

// wrote takes in the object as it is after the worker's own write.
func (w *Worker) wrote(pod *v1.Pod) {
	if isReady(pod) {
		w.node.Starts.Reached(w.uid, podstarts.ReadyWritten, time.Now())
	}
	w.SetPod(pod)
	w.mu.Lock()
	defer w.mu.Unlock()
	if newer(w.pod, pod) {
		w.pod = pod // at once, for the next write; the event follows
	}
}

// PodGone says that the API server has no such pod any more.
func (w *Worker) PodGone() {
	w.post(Event{Pod: &PodFacts{Gone: true}}, nil)
}

// MachineChanged says that hostd's view of the pod's machine has changed; the loop looks at it when it is there.
func (w *Worker) MachineChanged() {
	w.mail.put(func() (Event, bool) {
		m := w.node.Machine(podapi.MachineID(w.uid))
		w.setMachine(m)
		facts := machineFacts(m)
		return Event{Machine: &facts}, true
	})
}

func (w *Worker) setMachine(m *hostv1.VirtualMachine) {
	old := w.machine
	w.machine = m
	if m == nil || old != nil && old.Starts > m.Starts {
		return
	}
	if m.StartedAt != nil {
		w.node.Starts.Reached(w.uid, podstarts.MachineStarted, m.StartedAt.AsTime())
	}
	if m.GuestReadyAt != nil {
		w.node.Starts.Reached(w.uid, podstarts.MachineUp, m.GuestReadyAt.AsTime())
	}
	destroying := w.state.pending[DestroyMachine]
	if m.Phase == hostv1.VirtualMachine_STOPPED && (old == nil || old.Phase != m.Phase) && !destroying {
		w.died = true
		w.complainOfExit(m)
		if w.linkEnd != nil {
			w.linkEnd()
		}
	}
}

// ContentsChanged says that something that the pod names has changed, or that a token is due.
func (w *Worker) ContentsChanged() { w.post(Event{ContentsChanged: true}, nil) }

// noteOutcome is called with the lock held when the pod has ended by itself.
func (w *Worker) noteOutcome() {
	w.kept.Outcome = w.state.Outcome
	if w.state.Outcome == MachineDied {
		w.kept.Exit = w.exit()
	}
}

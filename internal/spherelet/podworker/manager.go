package podworker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/admission"
	"pacific/internal/spherelet/agentlink"
	"pacific/internal/spherelet/hypervisor"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/qos"
)

// Node is what the workers of a node share.
type Node struct {
	Name        string
	Kube        kubernetes.Interface
	Host        *hypervisor.Client
	Machine     func(id string) *hostv1.VirtualMachine // hostd's view of it, nil if there is none
	Dial        agentlink.Dialer
	Contents    *podspec.Collector
	References  References
	Tokens      Tokens
	Environment podspec.Environment
	HostCPUs    func() uint32
	HostMemory  func() uint64
	// ParallelStarts is how many pods start at once.
	ParallelStarts func() int
	// Admission is what pods are fitted into, without the other pods.
	Admission func() admission.Node
	Events    record.EventRecorder
	Starts    *podstarts.Recorder
	Keep      *Keep
	Scratch   Scratch
	// FreshNode reads the Node object now.
	FreshNode func(context.Context) (*v1.Node, error)
}

// References watches what pods name.
type References interface {
	Register(pod *v1.Pod)
	Unregister(uid types.UID)
}

// Tokens drops the tokens of a pod that is gone.
type Tokens interface {
	Forget(uid types.UID)
}

// Manager has a worker for each pod of the node, and for each machine of which no pod is known.
type Manager struct {
	node  *Node
	ctx   context.Context
	slots *slots

	mu      sync.Mutex
	workers map[string]*Worker
	synced  bool // the pods and the machines are complete

	admitting sync.Mutex
	admitted  map[string]*v1.Pod
}

// NewManager makes a manager; its workers end with ctx.
func NewManager(ctx context.Context, node *Node) *Manager {
	return &Manager{node: node, ctx: ctx, slots: newSlots(node.ParallelStarts), workers: map[string]*Worker{}, admitted: map[string]*v1.Pod{}}
}

// Start is called once when the pods of the node, from a working API server, and the machines of the host are complete.
// Machines without a pod are destroyed.
func (m *Manager) Start(pods []*v1.Pod, machines []*hostv1.VirtualMachine) {
	byID := map[string]*hostv1.VirtualMachine{}
	for _, machine := range machines {
		byID[machine.Spec.Id] = machine
	}
	// Those that have been accepted come first, so that a new pod is fitted into what they leave.
	sort.SliceStable(pods, func(i, j int) bool { return pods[i].Status.StartTime != nil && pods[j].Status.StartTime == nil })
	known := map[string]bool{}
	for _, pod := range pods {
		known[string(pod.UID)] = true
		m.begin(pod, byID[podapi.MachineID(string(pod.UID))])
	}
	m.mu.Lock()
	m.synced = true
	m.mu.Unlock()
	for _, machine := range machines {
		if ours(machine) && !known[machine.Spec.Id] {
			klog.InfoS("Machine has no pod any more", "machine", machine.Spec.Name, "id", machine.Spec.Id)
			m.orphan(machine.Spec.Id, machine)
		}
	}
	go m.removeRemains(known)
}

// remainsRetry is the pause before remains are looked for again while hostd does not answer.
const remainsRetry = 2 * time.Second

// removeRemains deletes directories and disks of pods that are no more.
func (m *Manager) removeRemains(known map[string]bool) {
	remains := func(uid string) bool { return uid != "" && !known[uid] && m.find(uid) == nil }
	if uids, err := m.node.Keep.UIDs(); err == nil {
		for _, uid := range uids {
			if remains(uid) {
				m.node.Keep.Remove(uid)
			}
		}
	}
	_ = wait.PollUntilContextCancel(m.ctx, remainsRetry, true, func(ctx context.Context) (bool, error) {
		err := m.removeDisks(ctx, remains)
		if err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Disks of pods that are gone could not be deleted; trying again")
		}
		return err == nil, nil
	})
}

func (m *Manager) removeDisks(ctx context.Context, remains func(uid string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	disks, err := m.node.Host.Disks.List(ctx, &hostv1.ListDisksRequest{})
	if err != nil {
		return err
	}
	var problems []error
	for _, d := range disks.Disks {
		if uid := d.Labels[LabelUID]; d.Id != podapi.EphemeralDiskID(uid) || !remains(uid) {
			continue
		}
		if _, err := m.node.Host.Disks.Delete(ctx, &hostv1.DeleteDiskRequest{Id: d.Id}); err != nil {
			problems = append(problems, fmt.Errorf("delete disk %s: %w", d.Id, err))
		}
	}
	return errors.Join(problems...)
}

// Retain lets go of pods that went before anybody listened.
func (m *Manager) Retain(exists func(*v1.Pod) bool) {
	for _, w := range m.Workers() {
		if pod := w.Pod(); pod != nil && !exists(pod) {
			w.PodGone()
		}
	}
}

// ours tells whether the machine is a Native Pod's.
func ours(machine *hostv1.VirtualMachine) bool {
	crx := machine.GetSpec().GetCrx()
	return crx != nil && crx.Mode == hostv1.Crx_MANAGED && crx.Personality == "agent" && machine.Spec.Labels[LabelUID] == machine.Spec.Id
}

// begin makes a worker with what is known of its pod.
func (m *Manager) begin(pod *v1.Pod, machine *hostv1.VirtualMachine) *Worker {
	uid := string(pod.UID)
	w := newWorker(m, uid, pod)
	kept, final, err := m.node.Keep.Load(uid)
	if err != nil {
		klog.ErrorS(err, "Kept state of pod is not readable; going on without it", "pod", klog.KObj(pod))
	}
	w.recover(pod, kept, final, machine)
	if (machine != nil || w.kept.HandedOver) && !podFacts(pod).Terminal {
		m.admit(pod, true)
	}
	m.node.Starts.Begin(pod.Namespace, pod.Name, uid, pod.CreationTimestamp.Time, scheduledAt(pod), time.Now())
	m.node.References.Register(pod)
	m.mu.Lock()
	m.workers[uid] = w
	m.mu.Unlock()
	w.SetPod(pod)
	w.MachineChanged()
	go w.run(m.ctx)
	return w
}

// recover takes over what was known before a restart of the spherelet.
func (w *Worker) recover(pod *v1.Pod, kept *Kept, final *agentv1.PodStatus, machine *hostv1.VirtualMachine) {
	w.kept = Kept{Namespace: pod.Namespace, Name: pod.Name}
	if kept != nil {
		w.kept = *kept
	}
	if w.kept.Allocated == nil {
		w.kept.Allocated = resourcesOf(pod)
	}
	w.state.HandedOver = w.kept.HandedOver
	w.state.Outcome = w.kept.Outcome
	w.died = machine.GetPhase() == hostv1.VirtualMachine_STOPPED
	if e := w.kept.Eviction; e != nil {
		w.state.EvictGrace, w.state.QuiesceSince = e.GraceSeconds, time.Now()
	}
	w.state.LogsKept, w.state.FinalKept = w.kept.LogsKept, w.kept.FinalKept
	w.foreign = podFacts(pod).Terminal && kept == nil && machine == nil
	w.machine, w.agent = machine, final
	switch {
	case w.state.Outcome != Completed:
	case final != nil:
		w.state.Agent.Finished = true
	default:
		w.state.Outcome = NoOutcome // only the agent knows how its containers ended; it is asked again
	}
}

func (m *Manager) orphan(uid string, machine *hostv1.VirtualMachine) {
	w := newWorker(m, uid, nil)
	w.kept = Kept{Namespace: machine.Spec.Labels[LabelNamespace], Name: machine.Spec.Labels[LabelName]}
	m.mu.Lock()
	m.workers[uid] = w
	m.mu.Unlock()
	w.PodGone()
	w.MachineChanged()
	go w.run(m.ctx)
}

func scheduledAt(pod *v1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodScheduled {
			return c.LastTransitionTime.Time
		}
	}
	return pod.CreationTimestamp.Time
}

// SetPod brings a pod that was added or changed.
func (m *Manager) SetPod(pod *v1.Pod) {
	m.mu.Lock()
	w, synced := m.workers[string(pod.UID)], m.synced
	m.mu.Unlock()
	switch {
	case !synced:
	case w == nil:
		m.begin(pod, m.node.Machine(podapi.MachineID(string(pod.UID))))
	default:
		w.SetPod(pod)
	}
}

// PodGone says that the API server has no pod with this UID any more.
func (m *Manager) PodGone(uid types.UID) {
	if w := m.find(string(uid)); w != nil {
		w.PodGone()
	}
}

// SetMachine brings a machine that was added or changed, nil if it is gone.
func (m *Manager) SetMachine(id string, machine *hostv1.VirtualMachine) {
	m.mu.Lock()
	w, synced := m.workers[id], m.synced
	m.mu.Unlock()
	switch {
	case w != nil:
		w.MachineChanged()
	case synced && machine != nil && ours(machine):
		// Made by a call of which nobody waited for the end.
		m.orphan(id, machine)
	}
}

// ContentsChanged says that something the pod names has changed.
func (m *Manager) ContentsChanged(uid types.UID) {
	if w := m.find(string(uid)); w != nil {
		w.ContentsChanged()
	}
}

// HostFileChanged says that a file of the host has changed, of which pods may have a copy.
func (m *Manager) HostFileChanged(path string) {
	for _, w := range m.Workers() {
		if pod := w.Pod(); pod != nil && slices.Contains(podspec.HostFiles(pod), path) {
			w.ContentsChanged()
		}
	}
}

func (m *Manager) find(uid string) *Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.workers[uid]
}

// admit decides on one pod at a time, so that two never get the same room. A pod that was accepted before stays.
func (m *Manager) admit(pod *v1.Pod, accepted bool) *admission.Rejection {
	m.admitting.Lock()
	defer m.admitting.Unlock()
	if !accepted {
		node := m.node.Admission()
		node.Others = m.others(pod)
		r := admission.Check(pod, node)
		if r.ByNode() {
			if fresh, err := m.node.FreshNode(m.ctx); err == nil {
				node.Object = fresh
				r = admission.Check(pod, node)
			}
		}
		if r != nil && !(len(r.Short) > 0 && qos.Critical(pod) && m.preempt(pod, node.Others, r.Short)) {
			return r
		}
	}
	m.admitted[string(pod.UID)] = pod
	return nil
}

// others are the admitted pods that still hold resources.
func (m *Manager) others(pod *v1.Pod) []*v1.Pod {
	var list []*v1.Pod
	for uid, p := range m.admitted {
		w := m.find(uid)
		if p.UID == pod.UID || w == nil || w.ended() {
			continue
		}
		list = append(list, p)
	}
	return list
}

func (w *Worker) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Outcome != NoOutcome || w.state.Pod.Terminal
}

func (m *Manager) forget(w *Worker) {
	if err := m.node.Keep.Remove(w.uid); err != nil {
		klog.ErrorS(err, "Kept state of a pod that is gone could not be removed; the next start of the spherelet does", "uid", w.uid)
	}
	m.slots.free(w.uid)
	m.node.References.Unregister(types.UID(w.uid))
	m.node.Tokens.Forget(types.UID(w.uid))
	m.admitting.Lock()
	delete(m.admitted, w.uid)
	m.admitting.Unlock()
	m.mu.Lock()
	if m.workers[w.uid] == w {
		delete(m.workers, w.uid)
	}
	m.mu.Unlock()
}

// Workers lists all workers with a pod.
func (m *Manager) Workers() []*Worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []*Worker
	for _, w := range m.workers {
		list = append(list, w)
	}
	return list
}

// Find returns the worker of a pod by name; with a uid, only of that pod.
func (m *Manager) Find(namespace, name, uid string) (*Worker, error) {
	for _, w := range m.Workers() {
		if pod := w.Pod(); pod != nil && pod.Namespace == namespace && pod.Name == name && (uid == "" || uid == w.uid) {
			return w, nil
		}
	}
	return nil, fmt.Errorf("pod %s/%s is not on node %s", namespace, name, m.node.Name)
}

// Pod is the pod's object, nil for a machine without one. It must not be changed.
func (w *Worker) Pod() *v1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod
}

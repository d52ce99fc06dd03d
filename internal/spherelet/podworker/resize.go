package podworker

import (
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	podresources "k8s.io/component-helpers/resource"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/events"

	podapi "pacific/api/pod"
	"pacific/internal/spherelet/sizing"
	"pacific/internal/spherelet/status"
)

// Resources of the containers of a pod by name, and those of the pod itself under the name of none. Ephemeral containers
// have none.
type Resources map[string]v1.ResourceRequirements

func resourcesOf(pod *v1.Pod) Resources {
	all := Resources{}
	if r := pod.Spec.Resources; r != nil {
		all[status.OfPod] = *r.DeepCopy()
	}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			all[c.Name] = *c.Resources.DeepCopy()
		}
	}
	return all
}

// in returns the pod with these resources in place of its own.
func (r Resources) in(pod *v1.Pod) *v1.Pod {
	if r == nil || equality.Semantic.DeepEqual(r, resourcesOf(pod)) {
		return pod
	}
	pod = pod.DeepCopy()
	if have, ok := r[status.OfPod]; ok {
		pod.Spec.Resources = &have
	}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if have, ok := r[list[i].Name]; ok {
				list[i].Resources = have
			}
		}
	}
	return pod
}

// resize is what is known of a change of the containers' resources.
type resize struct {
	decided int64 // generation of the pod that the last decision was about
	// refused is why the pod cannot have the resources it asks for; nil if it can.
	refused *refusal
	started *v1.Pod // a resize is under way to the resources of this pod
}

// refusal has the kubelet's reasons: Infeasible for good, Deferred for now.
type refusal struct{ reason, message string }

// allocatedPod is the pod with the resources that were decided on; called with the lock held.
func (w *Worker) allocatedPod() *v1.Pod { return w.kept.Allocated.in(w.pod) }

// wantsResize is called with the lock held.
func (w *Worker) wantsResize() bool {
	if w.pod == nil || w.kept.Allocated == nil || w.allocatedPod() == w.pod {
		return false
	}
	settled := w.resize.refused != nil && w.resize.refused.reason == v1.PodReasonInfeasible && w.resize.decided == w.pod.Generation
	return !settled
}

// observed is the generation of the pod that has been acted upon; called with the lock held.
func (w *Worker) observed() int64 {
	if w.wantsResize() && w.resize.decided != w.pod.Generation {
		return w.pod.Status.ObservedGeneration
	}
	return w.pod.Generation
}

// condition of the pod while it cannot have what it asks for.
func (r *resize) condition(pod *v1.Pod) *v1.PodCondition {
	if r.refused == nil {
		return nil
	}
	return &v1.PodCondition{Type: v1.PodResizePending, Status: v1.ConditionTrue, Reason: r.refused.reason, Message: r.refused.message, ObservedGeneration: r.decided}
}

// errDeferred makes a resize be tried again.
var errDeferred = errors.New("the resize is deferred")

// decideResize gives the pod the resources that it asks for, if there is room in its machine and on the node.
func (w *Worker) decideResize() error {
	w.mu.Lock()
	pod, machine := w.pod, w.machine
	w.mu.Unlock()
	room := room{HostCPUs: w.node.HostCPUs(), VCPUs: machine.GetSpec().GetVcpus(), Memory: machine.GetSpec().GetMemoryBytes()}
	refused := w.manager.reallocate(pod, room)

	w.mu.Lock()
	defer w.mu.Unlock()
	news := refused != nil && (w.resize.refused == nil || *w.resize.refused != *refused)
	w.resize.refused, w.resize.decided = refused, pod.Generation
	switch {
	case refused == nil:
		kept := w.kept
		kept.Allocated = resourcesOf(pod)
		if err := w.node.Keep.Save(w.uid, &kept); err != nil {
			return err
		}
		w.kept = kept
		w.resize.started = pod
		w.node.Events.Event(pod, v1.EventTypeNormal, events.ResizeStarted, events.PodResizeStartedMsg(klog.Background(), pod, pod.Generation))
	case news && refused.reason == v1.PodReasonInfeasible:
		w.node.Events.Event(pod, v1.EventTypeWarning, events.ResizeInfeasible, refused.message)
	case news:
		w.node.Events.Event(pod, v1.EventTypeWarning, events.ResizeDeferred, refused.message)
	}
	if refused != nil && refused.reason == v1.PodReasonDeferred {
		return errDeferred
	}
	return nil
}

// noteResized is called with the lock held when the agent has told its status.
func (w *Worker) noteResized() {
	pod := w.resize.started
	if pod == nil || w.pod == nil || status.Resizing(w.pod, w.kept.Allocated, w.agent) != nil {
		return
	}
	w.resize.started = nil
	w.node.Events.Event(w.pod, v1.EventTypeNormal, events.ResizeCompleted, events.PodResizeCompletedMsg(klog.Background(), pod, pod.Generation))
}

// room is what a resized pod has to fit into.
type room struct {
	HostCPUs, VCPUs uint32
	Memory          uint64 // of its machine, 0 if it has none yet
	Allocatable     v1.ResourceList
	Used            v1.ResourceList // by the node's other pods
}

// machineSlack is what of the machine's reserve for kernel and agent a resize may use. The reserve is generous, since a
// machine's memory cannot grow.
const machineSlack = 48 << 20

// fit tells why the pod cannot have its resources, nil if it can.
func (r room) fit(pod *v1.Pod) *refusal {
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{})
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		want, capacity := requests[name], r.Allocatable[name]
		if want.Cmp(capacity) > 0 {
			return &refusal{v1.PodReasonInfeasible, fmt.Sprintf("Node didn't have enough capacity: %s, requested: %d, capacity: %d", name, amount(name, want), amount(name, capacity))}
		}
	}
	if why := r.fitMachine(pod); why != "" {
		return &refusal{v1.PodReasonInfeasible, why}
	}
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		want, capacity, used := requests[name], r.Allocatable[name], r.Used[name]
		sum := want.DeepCopy()
		sum.Add(used)
		if sum.Cmp(capacity) > 0 {
			return &refusal{v1.PodReasonDeferred, fmt.Sprintf("Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d",
				name, amount(name, want), amount(name, used), amount(name, capacity))}
		}
	}
	return nil
}

func (r room) fitMachine(pod *v1.Pod) string {
	size := sizing.Of(pod, r.HostCPUs)
	switch {
	case r.Memory == 0:
		return ""
	case size.VCPUs > r.VCPUs:
		return fmt.Sprintf("The pod's virtual machine has %d virtual CPUs and would need %d; create the pod anew with these resources", r.VCPUs, size.VCPUs)
	case size.MemoryBytes > r.Memory+machineSlack:
		return fmt.Sprintf("The pod's virtual machine has %d MiB of memory and would need %d MiB; create the pod anew with these resources", r.Memory>>20, size.MemoryBytes>>20)
	}
	return ""
}

func amount(name v1.ResourceName, q resource.Quantity) int64 {
	if name == v1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// reallocate lets the pod have its resources if there is room; one pod at a time, as with admission.
func (m *Manager) reallocate(pod *v1.Pod, room room) *refusal {
	m.admitting.Lock()
	defer m.admitting.Unlock()
	room.Allocatable, room.Used = m.node.Admission().Allocatable, v1.ResourceList{}
	for _, other := range m.others(pod) {
		for name, q := range podresources.PodRequests(other, podresources.PodResourcesOptions{}) {
			sum := room.Used[name]
			sum.Add(q)
			room.Used[name] = sum
		}
		memory := room.Used[v1.ResourceMemory]
		memory.Add(*resource.NewQuantity(podapi.UncountedOverhead(other), resource.BinarySI))
		room.Used[v1.ResourceMemory] = memory
	}
	refused := room.fit(pod)
	if refused == nil {
		m.admitted[string(pod.UID)] = pod
	}
	return refused
}

package status

import (
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	agentv1 "pacific/api/agent/v1"
)

// OfPod is the name of the pod's own resources among those of its containers.
const OfPod = ""

// setResources shows the resources of the pod itself, which its machine has.
func setResources(s *v1.PodStatus, in Input) {
	if allocated, ok := in.Allocated[OfPod]; ok {
		s.AllocatedResources, s.Resources = allocated.Requests.DeepCopy(), allocated.DeepCopy()
	}
}

// Resizing is the condition PodResizeInProgress while a running container does not have the resources that were allocated to
// it; nil when all have.
func Resizing(pod *v1.Pod, allocated map[string]v1.ResourceRequirements, agent *agentv1.PodStatus) *v1.PodCondition {
	inProgress := false
	var failed []string
	for _, list := range [][]*agentv1.ContainerStatus{agent.GetInitContainers(), agent.GetContainers()} {
		for _, c := range list {
			want, ok := allocated[c.Name]
			if !ok || c.State.GetRunning() == nil || c.Resources == nil || has(c.Resources, want) {
				continue
			}
			inProgress = true
			if c.ResizeError != "" {
				failed = append(failed, c.ResizeError)
			}
		}
	}
	if !inProgress {
		return nil
	}
	out := &v1.PodCondition{Type: v1.PodResizeInProgress, Status: v1.ConditionTrue, ObservedGeneration: pod.Generation}
	if failed != nil {
		out.Reason, out.Message = v1.PodReasonError, strings.Join(failed, "; ")
	}
	return out
}

func has(actual *agentv1.Resources, want v1.ResourceRequirements) bool {
	return actual.CpuRequestMilli == want.Requests.Cpu().MilliValue() && actual.CpuLimitMilli == want.Limits.Cpu().MilliValue() &&
		actual.MemoryRequestBytes == want.Requests.Memory().Value() && actual.MemoryLimitBytes == want.Limits.Memory().Value()
}

// actual are the resources that a container has: those allocated to it, but of CPU and memory what it was given already.
func actual(allocated v1.ResourceRequirements, running *agentv1.Resources) *v1.ResourceRequirements {
	out := allocated.DeepCopy()
	out.Claims = nil
	if running == nil || has(running, allocated) {
		return out
	}
	set(out.Requests, v1.ResourceCPU, running.CpuRequestMilli)
	set(out.Requests, v1.ResourceMemory, running.MemoryRequestBytes)
	set(out.Limits, v1.ResourceCPU, running.CpuLimitMilli)
	set(out.Limits, v1.ResourceMemory, running.MemoryLimitBytes)
	return out
}

// set replaces an amount, in thousandths of a CPU or bytes, unless it is unlimited.
func set(list v1.ResourceList, name v1.ResourceName, amount int64) {
	switch {
	case list == nil:
	case amount == 0:
		delete(list, name)
	case name == v1.ResourceCPU:
		list[name] = *resource.NewMilliQuantity(amount, resource.DecimalSI)
	default:
		list[name] = *resource.NewQuantity(amount, resource.BinarySI)
	}
}

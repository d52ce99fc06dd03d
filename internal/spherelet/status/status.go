// Package status turns what is known of a Native Pod into the v1.PodStatus that users of kubectl and the controllers of
// Kubernetes know from the kubelet. [Of] is pure; [Writer] brings its results to the API server.
package status

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
)

// Input is all that the status of a pod is made of.
type Input struct {
	// Pod with the status as the API server has it; conditions of other writers are taken over from there.
	Pod *v1.Pod
	// Agent is the last status that the agent gave, nil if none.
	Agent *agentv1.PodStatus
	// Images as the image controller has annotated them.
	Images podapi.Images
	// Addresses of the pod without prefix lengths.
	Addresses []string
	HostIPs   []string
	// ConfigErrors by container: what keeps the spherelet from making its configuration.
	ConfigErrors map[string]string
	// Dead is set while the pod's machine is not running after a death: the end of the containers that ran in it.
	Dead *agentv1.Termination
	// BackOff is set while the start of the machine waits after repeated deaths.
	BackOff string
	// Failure makes the pod Failed with this reason and message.
	Failure *Failure
	// Allocated are the resources of the containers that were decided on, by name.
	Allocated map[string]v1.ResourceRequirements
	// Resize is the condition PodResizePending, nil when there is nothing to wait for.
	Resize *v1.PodCondition
	// Generation of the pod that has been acted upon.
	Generation int64
	// Disruption is why the node ends the pod, for the condition DisruptionTarget; empty if it does not.
	Disruption string
	// Ended: nothing runs and nothing will be started. The phase becomes terminal.
	Ended bool
	Now   time.Time
}

// ReasonEvicted is the kubelet's reason for a pod that was ended for what it uses.
const ReasonEvicted = "Evicted"

// Failure is why a pod as a whole has failed.
type Failure struct{ Reason, Message string }

// Rejected is the status of a pod that was not admitted: no container of it was ever thought of.
func Rejected(pod *v1.Pod, failure Failure, now time.Time) v1.PodStatus {
	out := *pod.Status.DeepCopy()
	out.Phase, out.Reason, out.Message = v1.PodFailed, failure.Reason, failure.Message
	out.ObservedGeneration = pod.Generation
	setStartTime(&out, now)
	return out
}

// Of computes the pod's status.
func Of(in Input) v1.PodStatus {
	pod := in.Pod
	out := *pod.Status.DeepCopy()
	out.ObservedGeneration = in.Generation
	setStartTime(&out, in.Now)
	out.EphemeralContainerStatuses = containers(in, ephemeral(pod), in.Agent.GetEphemeralContainers(), pod.Status.EphemeralContainerStatuses)
	out.InitContainerStatuses = containers(in, pod.Spec.InitContainers, in.Agent.GetInitContainers(), pod.Status.InitContainerStatuses)
	out.ContainerStatuses = containers(in, pod.Spec.Containers, in.Agent.GetContainers(), pod.Status.ContainerStatuses)
	setAddresses(&out, in)
	setResources(&out, in)

	out.Phase = phase(pod, &out, in.Ended)
	out.Reason, out.Message = "", ""
	if f := in.Failure; f != nil {
		out.Phase, out.Reason, out.Message = v1.PodFailed, f.Reason, f.Message
	}
	setConditions(&out, in)
	return out
}

func ephemeral(pod *v1.Pod) []v1.Container {
	var list []v1.Container
	for _, e := range pod.Spec.EphemeralContainers {
		list = append(list, v1.Container(e.EphemeralContainerCommon))
	}
	return list
}

func terminal(p v1.PodPhase) bool { return p == v1.PodSucceeded || p == v1.PodFailed }

func setStartTime(s *v1.PodStatus, now time.Time) {
	if s.StartTime == nil {
		t := metav1.NewTime(now.Truncate(time.Second))
		s.StartTime = &t
	}
}

func setAddresses(s *v1.PodStatus, in Input) {
	s.HostIP, s.HostIPs = "", nil
	for i, ip := range in.HostIPs {
		if i == 0 {
			s.HostIP = ip
		}
		s.HostIPs = append(s.HostIPs, v1.HostIP{IP: ip})
	}
	if len(in.Addresses) == 0 {
		return // an ended pod keeps those it had
	}
	s.PodIP, s.PodIPs = in.Addresses[0], nil
	for _, ip := range in.Addresses {
		s.PodIPs = append(s.PodIPs, v1.PodIP{IP: ip})
	}
}

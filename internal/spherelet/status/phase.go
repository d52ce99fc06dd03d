package status

import (
	v1 "k8s.io/api/core/v1"

	podapi "pacific/api/pod"
)

// phase follows the kubelet's getPhase (pkg/kubelet/kubelet_pods.go). A phase becomes terminal only when the pod has
// ended, never while its machine may still run something.
func phase(pod *v1.Pod, s *v1.PodStatus, ended bool) v1.PodPhase {
	if terminal(pod.Status.Phase) {
		return pod.Status.Phase
	}
	if ended {
		return endedPhase(s)
	}
	initialized := conditionTrue(pod.Status.Conditions, v1.PodInitialized)
	for i := range pod.Spec.InitContainers {
		if initPending(&pod.Spec.InitContainers[i], s.InitContainerStatuses[i], initialized) {
			return v1.PodPending
		}
	}
	for _, c := range s.ContainerStatuses {
		if c.State.Waiting != nil && c.LastTerminationState.Terminated == nil {
			return v1.PodPending
		}
	}
	return v1.PodRunning
}

func initPending(spec *v1.Container, s v1.ContainerStatus, initialized bool) bool {
	last := s.State.Terminated
	if last == nil {
		last = s.LastTerminationState.Terminated
	}
	if podapi.IsSidecar(spec) {
		return !initialized && last == nil && (s.Started == nil || !*s.Started)
	}
	switch {
	case s.State.Terminated != nil:
		return s.State.Terminated.ExitCode != 0
	case s.State.Waiting != nil && last != nil && last.ExitCode == 0:
		return false
	}
	return true
}

// endedPhase: all containers that count have ended; a pod with one that failed, or never ran, has failed.
func endedPhase(s *v1.PodStatus) v1.PodPhase {
	if len(s.ContainerStatuses) == 0 {
		return v1.PodFailed
	}
	for _, c := range s.ContainerStatuses {
		if c.State.Terminated == nil || c.State.Terminated.ExitCode != 0 {
			return v1.PodFailed
		}
	}
	return v1.PodSucceeded
}

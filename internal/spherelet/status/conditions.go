package status

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	podapi "pacific/api/pod"
)

// setConditions sets the conditions that the kubelet owns on other nodes and leaves all others as they are.
func setConditions(s *v1.PodStatus, in Input) {
	pod := in.Pod
	containersReady := containersReady(pod, s)
	for _, c := range []v1.PodCondition{
		readyToStart(s, in),
		initialized(pod, s),
		ready(pod, s, containersReady),
		containersReady,
	} {
		setCondition(s, c, in)
	}
	optional(s, v1.PodResizePending, in.Resize, in)
	optional(s, v1.PodResizeInProgress, Resizing(pod, in.Allocated, in.Agent), in)
	if in.Agent.GetEvicted() != "" {
		c := condition(v1.DisruptionTarget, true, v1.PodReasonTerminationByKubelet, in.Agent.GetEvicted())
		setCondition(s, c, in)
	}
	if in.Disruption != "" {
		c := condition(v1.DisruptionTarget, true, v1.PodReasonTerminationByKubelet, in.Disruption)
		setCondition(s, c, in)
	}
}

// optional sets a condition that is there only while it is true.
func optional(s *v1.PodStatus, t v1.PodConditionType, c *v1.PodCondition, in Input) {
	if c == nil || terminal(s.Phase) {
		s.Conditions = slices.DeleteFunc(s.Conditions, func(have v1.PodCondition) bool { return have.Type == t })
		return
	}
	setCondition(s, *c, in)
}

// setCondition keeps the time of the last transition while the status stays.
func setCondition(s *v1.PodStatus, c v1.PodCondition, in Input) {
	if c.ObservedGeneration == 0 {
		c.ObservedGeneration = s.ObservedGeneration
	}
	c.LastTransitionTime = metav1.NewTime(in.Now)
	i := slices.IndexFunc(s.Conditions, func(have v1.PodCondition) bool { return have.Type == c.Type })
	if i < 0 {
		s.Conditions = append(s.Conditions, c)
		return
	}
	if s.Conditions[i].Status == c.Status {
		c.LastTransitionTime = s.Conditions[i].LastTransitionTime
	}
	c.LastProbeTime = s.Conditions[i].LastProbeTime
	s.Conditions[i] = c
}

func condition(t v1.PodConditionType, is bool, reason, message string) v1.PodCondition {
	c := v1.PodCondition{Type: t, Status: v1.ConditionFalse, Reason: reason, Message: message}
	if is {
		c.Status = v1.ConditionTrue
	}
	return c
}

// readyToStart: the machine is up and has its network.
func readyToStart(s *v1.PodStatus, in Input) v1.PodCondition {
	up := !terminal(s.Phase) && in.Dead == nil && in.Agent.GetStarted() && in.Agent.GetSetupError() == ""
	if in.Agent == nil && in.Dead == nil && !terminal(s.Phase) {
		up = conditionTrue(s.Conditions, v1.PodReadyToStartContainers) // not known after a restart: as it was
	}
	return condition(v1.PodReadyToStartContainers, up, "", "")
}

func initialized(pod *v1.Pod, s *v1.PodStatus) v1.PodCondition {
	if s.Phase == v1.PodSucceeded {
		return condition(v1.PodInitialized, true, "PodCompleted", "")
	}
	var incomplete []string
	for i := range pod.Spec.InitContainers {
		c := s.InitContainerStatuses[i]
		done := c.State.Terminated != nil && c.State.Terminated.ExitCode == 0 ||
			c.State.Waiting != nil && c.LastTerminationState.Terminated != nil && c.LastTerminationState.Terminated.ExitCode == 0
		if podapi.IsSidecar(&pod.Spec.InitContainers[i]) {
			done = c.Started != nil && *c.Started
		}
		if !done {
			incomplete = append(incomplete, c.Name)
		}
	}
	if len(incomplete) == 0 || anyStarted(s) {
		return condition(v1.PodInitialized, true, "", "")
	}
	return condition(v1.PodInitialized, false, "ContainersNotInitialized", fmt.Sprintf("containers with incomplete status: %s", incomplete))
}

// anyStarted: once a container of the pod proper has run, a restarted sidecar does not make the pod uninitialized.
func anyStarted(s *v1.PodStatus) bool {
	return slices.ContainsFunc(s.ContainerStatuses, HasRun)
}

// HasRun tells whether a container was started at some time.
func HasRun(c v1.ContainerStatus) bool {
	return c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil
}

func containersReady(pod *v1.Pod, s *v1.PodStatus) v1.PodCondition {
	switch s.Phase {
	case v1.PodSucceeded:
		return condition(v1.ContainersReady, false, "PodCompleted", "")
	case v1.PodFailed:
		return condition(v1.ContainersReady, false, "PodFailed", "")
	}
	var unready []string
	for i := range pod.Spec.InitContainers {
		if podapi.IsSidecar(&pod.Spec.InitContainers[i]) && !s.InitContainerStatuses[i].Ready {
			unready = append(unready, pod.Spec.InitContainers[i].Name)
		}
	}
	for _, c := range s.ContainerStatuses {
		if !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	if len(unready) > 0 {
		return condition(v1.ContainersReady, false, "ContainersNotReady", fmt.Sprintf("containers with unready status: %s", unready))
	}
	return condition(v1.ContainersReady, true, "", "")
}

func ready(pod *v1.Pod, s *v1.PodStatus, containers v1.PodCondition) v1.PodCondition {
	if containers.Status != v1.ConditionTrue {
		return condition(v1.PodReady, false, containers.Reason, containers.Message)
	}
	var closed []string
	for _, gate := range pod.Spec.ReadinessGates {
		i := slices.IndexFunc(s.Conditions, func(c v1.PodCondition) bool { return c.Type == gate.ConditionType })
		switch {
		case i < 0:
			closed = append(closed, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		case s.Conditions[i].Status != v1.ConditionTrue:
			closed = append(closed, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, s.Conditions[i].Status))
		}
	}
	if len(closed) > 0 {
		return condition(v1.PodReady, false, "ReadinessGatesNotReady", strings.Join(closed, ", "))
	}
	return condition(v1.PodReady, true, "", "")
}

func conditionTrue(list []v1.PodCondition, t v1.PodConditionType) bool {
	return slices.ContainsFunc(list, func(c v1.PodCondition) bool { return c.Type == t && c.Status == v1.ConditionTrue })
}

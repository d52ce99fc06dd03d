// Package qos has the order of pods when the host is short of something: their class, and who is critical.
package qos

import (
	v1 "k8s.io/api/core/v1"
	podresources "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/apis/scheduling"
)

// The kernel's scores for processes that it shall kill last and first, as the kubelet sets them.
const (
	guaranteed = -997
	bestEffort = 1000
)

// Class of the pod.
func Class(pod *v1.Pod) v1.PodQOSClass { return qos.GetPodQOS(pod) }

// Priority of the pod; 0 if it has none.
func Priority(pod *v1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

// Critical pods are never evicted, and take the place of others when a node is full.
func Critical(pod *v1.Pod) bool { return Priority(pod) >= scheduling.SystemCriticalPriority }

// OOMScoreAdj of the pod's machine: what the kubelet gives to a container with all of the pod's memory
// (pkg/kubelet/qos/policy.go). capacity is the host's memory in bytes.
func OOMScoreAdj(pod *v1.Pod, capacity uint64) int32 {
	if Critical(pod) && pod.Spec.PriorityClassName == scheduling.SystemNodeCritical {
		return guaranteed
	}
	switch Class(pod) {
	case v1.PodQOSGuaranteed:
		return guaranteed
	case v1.PodQOSBestEffort:
		return bestEffort
	}
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{ExcludeOverhead: true})
	score := 1000 - 1000*requests.Memory().Value()/int64(max(1, capacity))
	return int32(min(999, max(3, score))) // between those that are guaranteed and those that ask for nothing
}

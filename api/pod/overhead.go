package pod

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// RuntimeClass is the class of Native Pods, and Handler the only one that hosts know. A pod without a class is a Native
// Pod too.
const (
	RuntimeClass = "crx"
	Handler      = "crx"
)

// MemoryOverhead is what a pod's machine costs its host beside what the containers use: QEMU, its translation cache, the
// guest's kernel, the agent. It is the proportional set size of the host's side of an idle pod under emulation, which make bench
// measures and compares with it, and is counted by the scheduler, the spherelet and hostd. See docs/adr/0008-overhead.md.
const MemoryOverhead = 36 << 20

// Overhead of a pod: the one of its RuntimeClass where that has one, which the API server has written into the pod.
func Overhead(pod *v1.Pod) resource.Quantity {
	if own, ok := pod.Spec.Overhead[v1.ResourceMemory]; ok {
		return own
	}
	return *resource.NewQuantity(MemoryOverhead, resource.BinarySI)
}

// UncountedOverhead is the part of the overhead that is not in the pod's requests as upstream computes them.
func UncountedOverhead(pod *v1.Pod) int64 {
	if _, ok := pod.Spec.Overhead[v1.ResourceMemory]; ok {
		return 0
	}
	return MemoryOverhead
}

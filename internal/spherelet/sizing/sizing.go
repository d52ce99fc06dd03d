// Package sizing says how large the virtual machine of a pod is, and what its host guarantees to it.
package sizing

import (
	v1 "k8s.io/api/core/v1"
	podresources "k8s.io/component-helpers/resource"

	podapi "pacific/api/pod"
	"pacific/internal/spherelet/qos"
)

const (
	// Guest is what the guest's kernel, PID 1 and the agent need of the machine's memory beside the containers: about 40
	// MiB at rest (measured), and as much again for the page tables, slabs and page cache of a busy pod. It is no part of
	// the overhead that is counted: what the guest does not touch costs the host nothing.
	Guest = 96 << 20
	// DefaultMemory is given to a container that names no memory limit. Without a limit a container may use all of its
	// machine, so this is what "unlimited" means for a Native Pod; small runtimes and shells fit well.
	DefaultMemory = 256 << 20
	// Granule is what the size is rounded up to, so that pods of nearly the same size can share one machine template.
	Granule = 16 << 20
)

// Size of a virtual machine.
type Size struct {
	VCPUs       uint32
	MemoryBytes uint64
}

// Of gives the machine of a pod its size on a host with so many CPUs. It never has more virtual than real CPUs, since
// that only adds scheduling.
func Of(pod *v1.Pod, hostCPUs uint32) Size {
	milli, memory := need(pod)
	return Size{
		VCPUs:       vcpus(milli, hostCPUs),
		MemoryBytes: roundUp(uint64(memory+pod.Spec.Overhead.Memory().Value()+Guest), Granule),
	}
}

// Within is the size on a host with so much memory: a limit beyond it is none. Whether the requests fit is decided before.
func (s Size) Within(hostMemory uint64) Size {
	if whole := hostMemory >> 20 << 20; whole > 0 {
		s.MemoryBytes = min(s.MemoryBytes, whole)
	}
	return s
}

// Guarantee is what a machine has a right to when the host is short.
type Guarantee struct {
	// MemoryBytes are the requests and the overhead. What the machine has beyond is given while the host has some.
	MemoryBytes uint64
	// Shares of the host's processors against other machines.
	Shares uint32
	// OOMScoreAdj is the kubelet's for the pod's QoS class.
	OOMScoreAdj int32
}

// GuaranteeOf the pod's machine of this size on a host with so much memory.
func GuaranteeOf(pod *v1.Pod, size Size, hostMemory uint64) Guarantee {
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{})
	return Guarantee{
		MemoryBytes: min(size.MemoryBytes, uint64(requests.Memory().Value()+podapi.UncountedOverhead(pod))),
		Shares:      shares(requests.Cpu().MilliValue()),
		OOMScoreAdj: qos.OOMScoreAdj(pod, hostMemory),
	}
}

// need is the processor time (in thousandths) and memory that the pod's containers may use.
func need(pod *v1.Pod) (milli, memory int64) {
	milli, memory = total(pod, containerCPU), total(pod, containerMemory)
	if r := pod.Spec.Resources; r != nil {
		milli, memory = max(milli, r.Requests.Cpu().MilliValue()), max(memory, r.Requests.Memory().Value())
		if q, ok := r.Limits[v1.ResourceCPU]; ok {
			milli = q.MilliValue()
		}
		if q, ok := r.Limits[v1.ResourceMemory]; ok {
			memory = q.Value()
		}
	}
	return milli, memory
}

func vcpus(milli int64, host uint32) uint32 {
	n := uint32((milli + 999) / 1000)
	return max(1, min(n, max(1, host)))
}

// minShares is the weight of a pod that requests less than a tenth of a processor. The kubelet goes lower, but a machine
// has a kernel and an agent that must answer in time.
const minShares = 102

func shares(milli int64) uint32 { return uint32(max(minShares, min(milli*1024/1000, 1<<18))) }

// total is what the pod needs at its largest: all containers and sidecars, or one init container with the sidecars
// that were started before it.
func total(pod *v1.Pod, of func(v1.ResourceRequirements) int64) int64 {
	var sum, sidecars, peak int64
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		need := of(c.Resources)
		if podapi.IsSidecar(c) {
			sidecars += need
			peak = max(peak, sidecars)
			continue
		}
		peak = max(peak, sidecars+need)
	}
	for _, c := range pod.Spec.Containers {
		sum += of(c.Resources)
	}
	return max(sum+sidecars, peak)
}

func containerCPU(r v1.ResourceRequirements) int64 {
	if q, ok := r.Limits[v1.ResourceCPU]; ok {
		return q.MilliValue()
	}
	return r.Requests.Cpu().MilliValue()
}

func containerMemory(r v1.ResourceRequirements) int64 {
	if q, ok := r.Limits[v1.ResourceMemory]; ok {
		return q.Value()
	}
	return max(DefaultMemory, r.Requests.Memory().Value())
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

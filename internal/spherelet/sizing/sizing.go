// Package sizing says how large the virtual machine of a pod is.
package sizing

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	// Overhead is what the guest's kernel, PID 1 and the agent need beside the containers: about 40 MiB at rest
	// (measured), and as much again for the page tables, slabs and page cache of a busy pod.
	Overhead = 96 << 20
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
// that only adds scheduling; the memory is not bounded here, for a pod that needs more than the host has must not start.
func Of(pod *v1.Pod, hostCPUs uint32) Size {
	milli := total(pod, containerCPU)
	memory := total(pod, containerMemory)
	if r := pod.Spec.Resources; r != nil {
		if q, ok := r.Limits[v1.ResourceCPU]; ok {
			milli = q.MilliValue()
		}
		if q, ok := r.Limits[v1.ResourceMemory]; ok {
			memory = q.Value()
		}
	}
	memory += quantity(pod.Spec.Overhead, v1.ResourceMemory) + Overhead
	return Size{
		VCPUs:       vcpus(milli, hostCPUs),
		MemoryBytes: roundUp(uint64(memory), Granule),
	}
}

func vcpus(milli int64, host uint32) uint32 {
	n := uint32((milli + 999) / 1000)
	return max(1, min(n, max(1, host)))
}

// total is what the pod needs at its largest: all containers and sidecars, or one init container with the sidecars
// that were started before it.
func total(pod *v1.Pod, of func(v1.ResourceRequirements) int64) int64 {
	var sum, sidecars, peak int64
	for _, c := range pod.Spec.InitContainers {
		need := of(c.Resources)
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
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
	q := r.Requests[v1.ResourceCPU]
	return q.MilliValue()
}

func containerMemory(r v1.ResourceRequirements) int64 {
	if q, ok := r.Limits[v1.ResourceMemory]; ok {
		return q.Value()
	}
	return max(DefaultMemory, quantity(r.Requests, v1.ResourceMemory))
}

func quantity(list v1.ResourceList, name v1.ResourceName) int64 {
	q, ok := list[name]
	if !ok {
		q = resource.Quantity{}
	}
	return q.Value()
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

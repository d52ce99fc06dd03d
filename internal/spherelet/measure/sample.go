// Package measure finds out what the node and its pods use, and shows it as the kubelet does: the summary
// (k8s.io/kubelet/pkg/apis/stats/v1alpha1) and Prometheus metrics with the kubelet's names.
//
// There are two views. hostd sees each machine from outside: what the host really gave it, VMM and guest kernel included.
// That is a pod. The agent sees the containers from inside, where each is a control group. A node is what hostd gave all
// machines, and hostd and spherelet themselves; so the pods of a node never use more than the node.
//
// Nothing is measured while nobody asks.
package measure

import (
	"time"

	v1 "k8s.io/api/core/v1"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
)

// Sample is one look at the node.
type Sample struct {
	At      time.Time
	Storage bool // trees of files were measured too
	Node    Node
	Pods    []Pod // by namespace and name
	// Failed is how many pods did not answer.
	Failed int
}

// Node is the host's part.
type Node struct {
	Name string
	// Stats are the last ones when hostd does not answer, nil if it never has.
	Stats *hostv1.GetStatsResponse
	// Away is set when hostd does not answer.
	Away bool
	Host *hostv1.GetHostResponse // as last known, may be nil
	// ImageBytes are those of the disks of all images.
	ImageBytes uint64
	System
}

// System is what the spherelet sees of its host and of itself.
type System struct {
	BootTime     time.Time
	OwnStart     time.Time // of the spherelet
	OwnCPU       uint64    // nanoseconds
	OwnMemory    uint64    // bytes resident
	MaxProcesses uint64
	Processes    uint64
	Interfaces   []Interface
}

// Interface of the host, its pods' ports left out.
type Interface struct {
	Name                                   string
	RxBytes, RxErrors, TxBytes, TxErrors   uint64
	RxPackets, TxPackets, RxDrops, TxDrops uint64
}

// Pod as it was measured.
type Pod struct {
	*v1.Pod
	Agent   *agentv1.StatsResponse
	Machine *hostv1.MachineStats // nil when hostd does not answer
	// CPU nanoseconds of each container by name, as far as the host really gave them.
	CPU map[string]uint64
}

// containers that run, with their statuses.
func (p Pod) status(container string) *v1.ContainerStatus {
	for _, list := range [][]v1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

func (p Pod) started(container string) time.Time {
	if s := p.status(container); s != nil && s.State.Running != nil {
		return s.State.Running.StartedAt.Time
	}
	return time.Time{}
}

func (p Pod) spec(container string) *v1.Container {
	for _, list := range [][]v1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range list {
			if list[i].Name == container {
				return &list[i]
			}
		}
	}
	return nil
}

// Usage of processors in nanoseconds and memory in bytes.
type usage struct{ cpu, memory, workingSet, rss uint64 }

// containersUsage is the sum over the pod's containers.
func (p Pod) containersUsage() usage {
	var sum usage
	for _, c := range p.Agent.GetContainers() {
		sum.cpu += p.CPU[c.Name]
		sum.memory += c.MemoryUsageBytes
		sum.workingSet += c.MemoryWorkingSetBytes
		sum.rss += c.MemoryRssBytes
	}
	return sum
}

// usage of the pod's machine. Memory that a guest took over from a template is not the machine's own, so the containers'
// may be more.
func (p Pod) usage() usage {
	u := p.containersUsage()
	m := p.Machine.GetUsage()
	return usage{
		cpu: max(u.cpu, m.GetCpuNanoseconds()), memory: max(u.memory, m.GetMemoryBytes()),
		workingSet: max(u.workingSet, m.GetMemoryWorkingSetBytes()), rss: max(u.rss, m.GetMemoryRssBytes()),
	}
}

// usage of the node: all machines and both daemons.
func (s *Sample) usage() usage {
	machines, pods := s.machines(), usage{}
	for _, p := range s.Pods {
		u := p.usage()
		pods.cpu, pods.memory, pods.workingSet, pods.rss = pods.cpu+u.cpu, pods.memory+u.memory, pods.workingSet+u.workingSet, pods.rss+u.rss
	}
	daemon := s.Node.Stats.GetDaemon()
	return usage{
		cpu:        max(machines.cpu, pods.cpu) + daemon.GetCpuNanoseconds() + s.Node.OwnCPU,
		memory:     max(machines.memory, pods.memory) + daemon.GetMemoryBytes() + s.Node.OwnMemory,
		workingSet: max(machines.workingSet, pods.workingSet) + daemon.GetMemoryWorkingSetBytes() + s.Node.OwnMemory,
		rss:        max(machines.rss, pods.rss) + daemon.GetMemoryRssBytes() + s.Node.OwnMemory,
	}
}

func (s *Sample) machines() usage { return usageOf(s.Node.Stats.GetMachinesTotal()) }

func usageOf(u *hostv1.Usage) usage {
	return usage{cpu: u.GetCpuNanoseconds(), memory: u.GetMemoryBytes(), workingSet: u.GetMemoryWorkingSetBytes(), rss: u.GetMemoryRssBytes()}
}

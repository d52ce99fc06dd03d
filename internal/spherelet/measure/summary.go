package measure

import (
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
)

// Summary of two samples, the first of which is only for rates and may be nil.
func Summary(previous, last *Sample) *stats.Summary {
	r := rates{previous: previous, last: last}
	out := &stats.Summary{Node: r.node(), Pods: []stats.PodStats{}}
	for _, p := range last.Pods {
		out.Pods = append(out.Pods, r.pod(p))
	}
	return out
}

// OnlyCPUAndMemory is the summary that the kubelet gives with only_cpu_and_memory=true.
func OnlyCPUAndMemory(full *stats.Summary) *stats.Summary {
	node := full.Node
	out := &stats.Summary{Pods: []stats.PodStats{}, Node: stats.NodeStats{
		NodeName: node.NodeName, SystemContainers: node.SystemContainers, StartTime: node.StartTime, CPU: node.CPU, Memory: node.Memory,
	}}
	for _, p := range full.Pods {
		plain := stats.PodStats{PodRef: p.PodRef, StartTime: p.StartTime, CPU: p.CPU, Memory: p.Memory}
		for _, c := range p.Containers {
			plain.Containers = append(plain.Containers, stats.ContainerStats{Name: c.Name, StartTime: c.StartTime, CPU: c.CPU, Memory: c.Memory})
		}
		out.Pods = append(out.Pods, plain)
	}
	return out
}

// rates are made of two samples.
type rates struct{ previous, last *Sample }

// cpu of something that had used before nanoseconds at the previous sample.
func (r rates) cpu(now uint64, before uint64, known bool) *stats.CPUStats {
	out := &stats.CPUStats{Time: metav1.NewTime(r.last.At), UsageCoreNanoSeconds: &now}
	if window := r.window(); known && window > 0 && now >= before {
		out.UsageNanoCores = ptr.To(uint64(float64(now-before) / window.Seconds()))
	}
	return out
}

func (r rates) window() time.Duration {
	if r.previous == nil {
		return 0
	}
	return r.last.At.Sub(r.previous.At)
}

// before finds a pod in the previous sample.
func (r rates) before(p Pod) (Pod, bool) {
	if r.previous != nil {
		for _, q := range r.previous.Pods {
			if q.UID == p.UID {
				return q, true
			}
		}
	}
	return Pod{}, false
}

func memory(at time.Time, u usage, limit uint64) *stats.MemoryStats {
	out := &stats.MemoryStats{Time: metav1.NewTime(at), UsageBytes: &u.memory, WorkingSetBytes: &u.workingSet, RSSBytes: &u.rss}
	if limit > 0 {
		out.AvailableBytes = ptr.To(limit - min(limit, u.workingSet))
	}
	return out
}

func (r rates) node() stats.NodeStats {
	n, at := r.last.Node, metav1.NewTime(r.last.At)
	used := r.last.usage()
	var before uint64
	if r.previous != nil {
		before = r.previous.usage().cpu
	}
	out := stats.NodeStats{
		NodeName: n.Name, StartTime: metav1.NewTime(n.BootTime),
		CPU:              r.cpu(used.cpu, before, r.previous != nil),
		Memory:           memory(r.last.At, used, n.Host.GetMemoryBytes()),
		SystemContainers: r.system(),
		Network:          nodeNetwork(at, n.Interfaces),
		Rlimit:           &stats.RlimitStats{Time: at, MaxPID: ptr.To(int64(n.MaxProcesses)), NumOfRunningProcesses: ptr.To(int64(n.Processes))},
	}
	if n.Host != nil {
		size, free := n.Host.StorageBytes, n.Host.StorageFreeBytes
		fs := stats.FsStats{Time: at, CapacityBytes: &size, AvailableBytes: &free, UsedBytes: ptr.To(size - min(size, free))}
		images := fs
		images.UsedBytes = &n.ImageBytes
		out.Fs, out.Runtime = &fs, &stats.RuntimeStats{ImageFs: &images, ContainerFs: &fs}
	}
	return out
}

// system are the parts of the node's usage, under the kubelet's names: the spherelet as kubelet, hostd as runtime.
func (r rates) system() []stats.ContainerStats {
	n := r.last.Node
	part := func(name string, since time.Time, u usage, before func(*Sample) uint64) stats.ContainerStats {
		var earlier uint64
		if r.previous != nil {
			earlier = before(r.previous)
		}
		return stats.ContainerStats{
			Name: name, StartTime: metav1.NewTime(since),
			CPU: r.cpu(u.cpu, earlier, r.previous != nil), Memory: memory(r.last.At, u, 0),
		}
	}
	own := usage{cpu: n.OwnCPU, memory: n.OwnMemory, workingSet: n.OwnMemory, rss: n.OwnMemory}
	all := []stats.ContainerStats{part(stats.SystemContainerKubelet, n.OwnStart, own, func(s *Sample) uint64 { return s.Node.OwnCPU })}
	if n.Stats == nil {
		return all
	}
	return append(all,
		part(stats.SystemContainerRuntime, n.BootTime, usageOf(n.Stats.Daemon), func(s *Sample) uint64 { return usageOf(s.Node.Stats.GetDaemon()).cpu }),
		part(stats.SystemContainerPods, n.BootTime, usageOf(n.Stats.MachinesTotal), func(s *Sample) uint64 { return s.machines().cpu }))
}

func nodeNetwork(at metav1.Time, interfaces []Interface) *stats.NetworkStats {
	if len(interfaces) == 0 {
		return nil
	}
	out := &stats.NetworkStats{Time: at}
	for _, i := range interfaces {
		s := stats.InterfaceStats{Name: i.Name, RxBytes: ptr.To(i.RxBytes), RxErrors: ptr.To(i.RxErrors), TxBytes: ptr.To(i.TxBytes), TxErrors: ptr.To(i.TxErrors)}
		out.Interfaces = append(out.Interfaces, s)
		if i.Name == "eth0" {
			out.InterfaceStats = s
		}
	}
	return out
}

func (r rates) pod(p Pod) stats.PodStats {
	at := metav1.NewTime(r.last.At)
	earlier, known := r.before(p)
	used := p.usage()
	out := stats.PodStats{
		PodRef:  stats.PodReference{Name: p.Name, Namespace: p.Namespace, UID: string(p.UID)},
		CPU:     r.cpu(used.cpu, earlier.usage().cpu, known),
		Memory:  memory(r.last.At, used, podLimit(p.Pod)),
		Network: podNetwork(at, p),
		Swap:    &stats.SwapStats{Time: at, SwapUsageBytes: ptr.To[uint64](0)}, // a guest has none
	}
	if p.Status.StartTime != nil {
		out.StartTime = *p.Status.StartTime
	}
	a := p.Agent
	disk := filesystem{
		at: at, capacity: a.EphemeralCapacityBytes, available: a.EphemeralCapacityBytes - min(a.EphemeralCapacityBytes, a.EphemeralUsedBytes),
		inodes: a.EphemeralInodes, inodesFree: a.EphemeralInodesFree,
	}
	var processes uint64
	for _, c := range a.Containers {
		out.Containers = append(out.Containers, r.container(p, earlier, c, disk))
		processes += c.Pids
	}
	out.ProcessStats = &stats.ProcessStats{ProcessCount: &processes}
	out.EphemeralStorage = disk.stats(a.EphemeralUsedBytes, a.EphemeralInodes-min(a.EphemeralInodes, a.EphemeralInodesFree))
	for _, v := range a.Volumes {
		of := filesystem{at: at, capacity: v.CapacityBytes, available: v.AvailableBytes, inodes: v.Inodes, inodesFree: v.InodesFree}
		out.VolumeStats = append(out.VolumeStats, stats.VolumeStats{Name: v.Name, FsStats: *of.stats(v.UsedBytes, v.InodesUsed)})
	}
	return out
}

// filesystem that several things lie on.
type filesystem struct {
	at                                      metav1.Time
	capacity, available, inodes, inodesFree uint64
}

func (f filesystem) stats(used, inodesUsed uint64) *stats.FsStats {
	return &stats.FsStats{
		Time: f.at, CapacityBytes: ptr.To(f.capacity), AvailableBytes: ptr.To(f.available), UsedBytes: &used,
		Inodes: ptr.To(f.inodes), InodesFree: ptr.To(f.inodesFree), InodesUsed: &inodesUsed,
	}
}

func (r rates) container(p, earlier Pod, c *agentv1.ContainerStats, disk filesystem) stats.ContainerStats {
	before, known := earlier.CPU[c.Name]
	used := usage{memory: c.MemoryUsageBytes, workingSet: c.MemoryWorkingSetBytes, rss: c.MemoryRssBytes}
	m := memory(r.last.At, used, containerLimit(p.spec(c.Name)))
	m.PageFaults, m.MajorPageFaults = ptr.To(c.MemoryPageFaults), ptr.To(c.MemoryMajorPageFaults)
	out := stats.ContainerStats{
		Name: c.Name, StartTime: metav1.NewTime(p.started(c.Name)), CPU: r.cpu(p.CPU[c.Name], before, known), Memory: m,
		Swap: &stats.SwapStats{Time: disk.at, SwapUsageBytes: ptr.To[uint64](0)},
	}
	if r.last.Storage {
		out.Rootfs, out.Logs = disk.stats(c.RootfsUsedBytes, c.RootfsInodesUsed), disk.stats(c.LogsUsedBytes, c.LogsInodesUsed)
	}
	return out
}

// podNetwork is what hostd counts on the pod's ports; the agent's sum stands in while hostd does not answer.
func podNetwork(at metav1.Time, p Pod) *stats.NetworkStats {
	out := &stats.NetworkStats{Time: at}
	for _, t := range p.Machine.GetPorts() {
		out.Interfaces = append(out.Interfaces, stats.InterfaceStats{
			Name: t.Name, RxBytes: ptr.To(t.ReceivedBytes), RxErrors: ptr.To[uint64](0), TxBytes: ptr.To(t.SentBytes), TxErrors: ptr.To[uint64](0),
		})
	}
	if len(out.Interfaces) == 0 {
		out.Interfaces = []stats.InterfaceStats{{Name: "eth0", RxBytes: ptr.To(p.Agent.NetworkRxBytes), TxBytes: ptr.To(p.Agent.NetworkTxBytes)}}
	}
	out.InterfaceStats = out.Interfaces[0]
	return out
}

func containerLimit(c *v1.Container) uint64 {
	if c == nil {
		return 0
	}
	return uint64(c.Resources.Limits.Memory().Value())
}

// podLimit is 0 where a container has no limit.
func podLimit(pod *v1.Pod) uint64 {
	var sum uint64
	for i := range pod.Spec.Containers {
		limit := containerLimit(&pod.Spec.Containers[i])
		if limit == 0 {
			return 0
		}
		sum += limit
	}
	return sum
}

package measure

import (
	"net/http"
	"runtime"
	"strings"

	v1 "k8s.io/api/core/v1"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
)

// Names and labels are those that cAdvisor has in a kubelet, so that dashboards and alerts made for it work. As there, a
// series with an empty container is the pod's, and one with id="/" the node's.
var (
	cadvisorLabels = []string{"container", "id", "image", "name", "namespace", "pod"}

	cadvisorVersion = family{"cadvisor_version_info", "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version & cadvisor revision.",
		[]string{"cadvisorRevision", "cadvisorVersion", "dockerVersion", "kernelVersion", "osVersion"}}
	machineCores    = family{"machine_cpu_cores", "Number of logical CPU cores.", nil}
	machineMemory   = family{"machine_memory_bytes", "Amount of memory installed on the machine.", nil}
	containerErrors = family{"container_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise", nil}

	lastSeen   = cadvisor("container_last_seen", "Last time a container was seen by the exporter")
	cpuTotal   = cadvisor("container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", "cpu")
	cpuUser    = cadvisor("container_cpu_user_seconds_total", "Cumulative user cpu time consumed in seconds.")
	cpuSystem  = cadvisor("container_cpu_system_seconds_total", "Cumulative system cpu time consumed in seconds.")
	periods    = cadvisor("container_cpu_cfs_periods_total", "Number of elapsed enforcement period intervals.")
	throttled  = cadvisor("container_cpu_cfs_throttled_periods_total", "Number of throttled period intervals.")
	throttleT  = cadvisor("container_cpu_cfs_throttled_seconds_total", "Total time duration the container has been throttled.")
	memUsage   = cadvisor("container_memory_usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed")
	memMax     = cadvisor("container_memory_max_usage_bytes", "Maximum memory usage recorded in bytes")
	memSet     = cadvisor("container_memory_working_set_bytes", "Current working set in bytes.")
	memRSS     = cadvisor("container_memory_rss", "Size of RSS in bytes.")
	memCache   = cadvisor("container_memory_cache", "Number of bytes of page cache memory.")
	memMapped  = cadvisor("container_memory_mapped_file", "Size of memory mapped files in bytes.")
	memSwap    = cadvisor("container_memory_swap", "Container swap usage in bytes.")
	memFaults  = cadvisor("container_memory_failures_total", "Cumulative count of memory allocation failures.", "failure_type", "scope")
	oomEvents  = cadvisor("container_oom_events_total", "Count of out of memory events observed for the container")
	processes  = cadvisor("container_processes", "Number of processes running inside the container.")
	started    = cadvisor("container_start_time_seconds", "Start time of the container since unix epoch in seconds.")
	specPeriod = cadvisor("container_spec_cpu_period", "CPU period of the container.")
	specQuota  = cadvisor("container_spec_cpu_quota", "CPU quota of the container.")
	specShares = cadvisor("container_spec_cpu_shares", "CPU share of the container.")
	specMemory = cadvisor("container_spec_memory_limit_bytes", "Memory limit for the container.")
	fsUsage    = cadvisor("container_fs_usage_bytes", "Number of bytes that are consumed by the container on this filesystem.", "device")
	fsLimit    = cadvisor("container_fs_limit_bytes", "Number of bytes that can be consumed by the container on this filesystem.", "device")
	fsInodes   = cadvisor("container_fs_inodes_total", "Number of Inodes", "device")
	fsFree     = cadvisor("container_fs_inodes_free", "Number of available Inodes", "device")
	fsReadB    = cadvisor("container_fs_reads_bytes_total", "Cumulative count of bytes read", "device")
	fsReads    = cadvisor("container_fs_reads_total", "Cumulative count of reads completed", "device")
	fsWriteB   = cadvisor("container_fs_writes_bytes_total", "Cumulative count of bytes written", "device")
	fsWrites   = cadvisor("container_fs_writes_total", "Cumulative count of writes completed", "device")
	rxBytes    = cadvisor("container_network_receive_bytes_total", "Cumulative count of bytes received", "interface")
	rxPackets  = cadvisor("container_network_receive_packets_total", "Cumulative count of packets received", "interface")
	rxDropped  = cadvisor("container_network_receive_packets_dropped_total", "Cumulative count of packets dropped while receiving", "interface")
	rxErrors   = cadvisor("container_network_receive_errors_total", "Cumulative count of errors encountered while receiving", "interface")
	txBytes    = cadvisor("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", "interface")
	txPackets  = cadvisor("container_network_transmit_packets_total", "Cumulative count of packets transmitted", "interface")
	txDropped  = cadvisor("container_network_transmit_packets_dropped_total", "Cumulative count of packets dropped while transmitting", "interface")
	txErrors   = cadvisor("container_network_transmit_errors_total", "Cumulative count of errors encountered while transmitting", "interface")
)

func cadvisor(name, help string, more ...string) family {
	return family{name, help, append(append([]string{}, cadvisorLabels...), more...)}
}

// rootDevice is the pod's own disk, on which its containers write.
const rootDevice = "ephemeral"

// WriteCAdvisor answers /metrics/cadvisor. version is the spherelet's.
func WriteCAdvisor(w http.ResponseWriter, r *http.Request, s *Sample, version string) {
	expose(w, r, func(p *page) {
		p.gauge(cadvisorVersion, 1, "", version, "", s.Node.Host.GetCrxKernelVersion(), runtime.GOOS)
		p.gauge(containerErrors, bit(s.Node.Away || s.Failed > 0))
		p.gauge(machineCores, float64(s.Node.Host.GetCpus()))
		p.gauge(machineMemory, float64(s.Node.Host.GetMemoryBytes()))
		p.at = s.At
		node := []string{"", "/", "", "", "", ""}
		p.total(node, s.usage())
		for _, i := range s.Node.Interfaces {
			p.network(node, i)
		}
		for _, pod := range s.Pods {
			p.pod(pod, s.Storage)
			for _, c := range pod.Agent.Containers {
				p.container(pod, c, s.Storage)
			}
		}
	})
}

func with(labels []string, more ...string) []string {
	return append(append([]string{}, labels...), more...)
}

// total are the series that pods and nodes have of processors and memory.
func (p *page) total(labels []string, u usage) {
	p.counter(cpuTotal, seconds(u.cpu), with(labels, "total")...)
	p.gauge(memUsage, float64(u.memory), labels...)
	p.gauge(memSet, float64(u.workingSet), labels...)
	p.gauge(memRSS, float64(u.rss), labels...)
	p.gauge(lastSeen, float64(p.at.Unix()), labels...)
}

func (p *page) pod(pod Pod, storage bool) {
	labels := []string{"", "/" + string(pod.UID), "", "", pod.Namespace, pod.Name}
	p.total(labels, pod.usage())
	p.gauge(specMemory, float64(podLimit(pod.Pod)), labels...)
	if at := pod.Status.StartTime; at != nil {
		p.gauge(started, float64(at.Unix()), labels...)
	}
	a := pod.Agent
	if storage {
		of := with(labels, rootDevice)
		p.gauge(fsUsage, float64(a.EphemeralUsedBytes), of...)
		p.gauge(fsLimit, float64(a.EphemeralCapacityBytes), of...)
		p.gauge(fsInodes, float64(a.EphemeralInodes), of...)
		p.gauge(fsFree, float64(a.EphemeralInodesFree), of...)
	}
	for _, d := range pod.Machine.GetDisks() {
		of := with(labels, d.DiskId)
		p.counter(fsReadB, float64(d.ReadBytes), of...)
		p.counter(fsReads, float64(d.Reads), of...)
		p.counter(fsWriteB, float64(d.WrittenBytes), of...)
		p.counter(fsWrites, float64(d.Writes), of...)
	}
	for _, t := range ports(pod) {
		p.network(labels, t)
	}
}

// ports are counted by hostd; the agent's sum stands in while hostd does not answer.
func ports(pod Pod) []Interface {
	if pod.Machine == nil {
		return []Interface{{Name: "eth0", RxBytes: pod.Agent.NetworkRxBytes, TxBytes: pod.Agent.NetworkTxBytes}}
	}
	var all []Interface
	for _, t := range pod.Machine.GetPorts() {
		all = append(all, interfaceOf(t))
	}
	return all
}

func interfaceOf(t *hostv1.PortTraffic) Interface {
	return Interface{
		Name: t.Name, RxBytes: t.ReceivedBytes, RxPackets: t.ReceivedPackets, RxDrops: t.ReceivedDropped,
		TxBytes: t.SentBytes, TxPackets: t.SentPackets, TxDrops: t.SentDropped,
	}
}

func (p *page) network(labels []string, i Interface) {
	of := with(labels, i.Name)
	p.counter(rxBytes, float64(i.RxBytes), of...)
	p.counter(rxPackets, float64(i.RxPackets), of...)
	p.counter(rxDropped, float64(i.RxDrops), of...)
	p.counter(rxErrors, float64(i.RxErrors), of...)
	p.counter(txBytes, float64(i.TxBytes), of...)
	p.counter(txPackets, float64(i.TxPackets), of...)
	p.counter(txDropped, float64(i.TxDrops), of...)
	p.counter(txErrors, float64(i.TxErrors), of...)
}

func (p *page) container(pod Pod, c *agentv1.ContainerStats, storage bool) {
	labels := identityOf(pod, c.Name)
	p.counter(cpuTotal, seconds(pod.CPU[c.Name]), with(labels, "total")...)
	p.counter(cpuUser, seconds(c.CpuUserNanoseconds), labels...)
	p.counter(cpuSystem, seconds(c.CpuSystemNanoseconds), labels...)
	p.gauge(memUsage, float64(c.MemoryUsageBytes), labels...)
	p.gauge(memMax, float64(c.MemoryMaxUsageBytes), labels...)
	p.gauge(memSet, float64(c.MemoryWorkingSetBytes), labels...)
	p.gauge(memRSS, float64(c.MemoryRssBytes), labels...)
	p.gauge(memCache, float64(c.MemoryCacheBytes), labels...)
	p.gauge(memMapped, float64(c.MemoryMappedFileBytes), labels...)
	p.gauge(memSwap, 0, labels...)
	for _, scope := range []string{"container", "hierarchy"} {
		p.counter(memFaults, float64(c.MemoryPageFaults), with(labels, "pgfault", scope)...)
		p.counter(memFaults, float64(c.MemoryMajorPageFaults), with(labels, "pgmajfault", scope)...)
	}
	p.counter(oomEvents, float64(c.OomEvents), labels...)
	p.gauge(processes, float64(c.Pids), labels...)
	p.gauge(lastSeen, float64(p.at.Unix()), labels...)
	if at := pod.started(c.Name); !at.IsZero() {
		p.gauge(started, float64(at.UnixMilli())/1e3, labels...)
	}
	if storage {
		p.gauge(fsUsage, float64(c.RootfsUsedBytes+c.LogsUsedBytes), with(labels, rootDevice)...)
		p.gauge(fsLimit, float64(pod.Agent.EphemeralCapacityBytes), with(labels, rootDevice)...)
	}
	p.spec(pod.spec(c.Name), c, labels)
}

// cfsPeriod is the kubelet's default, in microseconds.
const cfsPeriod = 100000

func (p *page) spec(spec *v1.Container, c *agentv1.ContainerStats, labels []string) {
	if spec == nil {
		return
	}
	p.gauge(specMemory, float64(containerLimit(spec)), labels...)
	// The kubelet's conversion: 1024 shares for a core, at least 2.
	p.gauge(specShares, float64(max(2, spec.Resources.Requests.Cpu().MilliValue()*1024/1000)), labels...)
	p.gauge(specPeriod, cfsPeriod, labels...)
	if limit := spec.Resources.Limits.Cpu().MilliValue(); limit > 0 {
		p.gauge(specQuota, float64(limit*cfsPeriod/1000), labels...)
		p.counter(periods, float64(c.CpuPeriods), labels...)
		p.counter(throttled, float64(c.CpuThrottledPeriods), labels...)
		p.counter(throttleT, seconds(c.CpuThrottledNanoseconds), labels...)
	}
}

func identityOf(pod Pod, container string) []string {
	id, image := "", ""
	if s := pod.status(container); s != nil {
		_, id, _ = strings.Cut(s.ContainerID, "://")
		image = s.Image
	}
	return []string{container, "/" + string(pod.UID) + "/" + id, image, id, pod.Namespace, pod.Name}
}

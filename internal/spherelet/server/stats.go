package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
)

// podStats is what the agent of a pod measures.
type podStats struct {
	pod *v1.Pod
	*agentv1.StatsResponse
}

// collect asks all agents at once; those that do not answer in time are left out.
func (s *Server) collect(ctx context.Context) []podStats {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var mu sync.Mutex
	var all sync.WaitGroup
	var list []podStats
	for _, worker := range s.Pods.Workers() {
		pod := worker.Pod()
		link, err := worker.Link()
		if pod == nil || err != nil {
			continue
		}
		all.Go(func() {
			answer, err := link.Agent.Stats(ctx, &agentv1.StatsRequest{})
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, podStats{pod, answer})
		})
	}
	all.Wait()
	return list
}

// totals of a pod's containers: CPU nanoseconds, working set bytes.
func (p podStats) totals() (cpu, memory uint64) {
	for _, c := range p.Containers {
		cpu += c.CpuUsageNanoseconds
		memory += c.MemoryWorkingSetBytes
	}
	return cpu, memory
}

func (s *Server) summary(w http.ResponseWriter, r *http.Request) {
	out := stats.Summary{Node: stats.NodeStats{NodeName: s.NodeName}, Pods: []stats.PodStats{}}
	var cpu, memory uint64
	for _, p := range s.collect(r.Context()) {
		c, m := p.totals()
		cpu, memory = cpu+c, memory+m
		out.Pods = append(out.Pods, p.summary())
	}
	now := metav1.Now()
	out.Node.CPU = &stats.CPUStats{Time: now, UsageCoreNanoSeconds: &cpu}
	out.Node.Memory = &stats.MemoryStats{Time: now, WorkingSetBytes: &memory}
	writeJSON(w, out)
}

func (p podStats) summary() stats.PodStats {
	at := metav1.NewTime(p.At.AsTime())
	cpu, memory := p.totals()
	out := stats.PodStats{
		PodRef:  stats.PodReference{Name: p.pod.Name, Namespace: p.pod.Namespace, UID: string(p.pod.UID)},
		CPU:     &stats.CPUStats{Time: at, UsageCoreNanoSeconds: &cpu},
		Memory:  &stats.MemoryStats{Time: at, WorkingSetBytes: &memory},
		Network: &stats.NetworkStats{Time: at, InterfaceStats: stats.InterfaceStats{Name: "eth0", RxBytes: ptr.To(p.NetworkRxBytes), TxBytes: ptr.To(p.NetworkTxBytes)}},
		EphemeralStorage: &stats.FsStats{Time: at, UsedBytes: ptr.To(p.EphemeralUsedBytes), CapacityBytes: ptr.To(p.EphemeralCapacityBytes),
			AvailableBytes: ptr.To(p.EphemeralCapacityBytes - min(p.EphemeralCapacityBytes, p.EphemeralUsedBytes))},
	}
	if p.pod.Status.StartTime != nil {
		out.StartTime = *p.pod.Status.StartTime
	}
	for _, c := range p.Containers {
		out.Containers = append(out.Containers, stats.ContainerStats{
			Name: c.Name,
			CPU:  &stats.CPUStats{Time: at, UsageCoreNanoSeconds: ptr.To(c.CpuUsageNanoseconds)},
			Memory: &stats.MemoryStats{Time: at, UsageBytes: ptr.To(c.MemoryUsageBytes), WorkingSetBytes: ptr.To(c.MemoryWorkingSetBytes),
				RSSBytes: ptr.To(c.MemoryRssBytes)},
			Rootfs: &stats.FsStats{Time: at, UsedBytes: ptr.To(c.RootfsUsedBytes)},
			Logs:   &stats.FsStats{Time: at, UsedBytes: ptr.To(c.LogsUsedBytes)},
		})
	}
	return out
}

// resourceMetrics is what the metrics server reads, in the Prometheus text format with times of measuring.
func (s *Server) resourceMetrics(w http.ResponseWriter, r *http.Request) {
	pods := s.collect(r.Context())
	metrics := map[string]*bytes.Buffer{}
	var names []string
	add := func(name, kind, help, labels string, value float64, at time.Time) {
		b := metrics[name]
		if b == nil {
			b = &bytes.Buffer{}
			metrics[name], names = b, append(names, name)
			fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		}
		fmt.Fprintf(b, "%s%s %g %d\n", name, labels, value, at.UnixMilli())
	}
	var cpu, memory uint64
	for _, p := range pods {
		at := p.At.AsTime()
		for _, c := range p.Containers {
			labels := fmt.Sprintf("{container=%q,namespace=%q,pod=%q}", c.Name, p.pod.Namespace, p.pod.Name)
			add("container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the container in core-seconds", labels, float64(c.CpuUsageNanoseconds)/1e9, at)
			add("container_memory_working_set_bytes", "gauge", "Current working set of the container in bytes", labels, float64(c.MemoryWorkingSetBytes), at)
			if started := startOf(p.pod, c.Name); !started.IsZero() {
				add("container_start_time_seconds", "gauge", "Start time of the container since unix epoch in seconds", labels, float64(started.Unix()), at)
			}
		}
		c, m := p.totals()
		cpu, memory = cpu+c, memory+m
		labels := fmt.Sprintf("{namespace=%q,pod=%q}", p.pod.Namespace, p.pod.Name)
		add("pod_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the pod in core-seconds", labels, float64(c)/1e9, at)
		add("pod_memory_working_set_bytes", "gauge", "Current working set of the pod in bytes", labels, float64(m), at)
	}
	now := time.Now()
	add("node_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the node's pods in core-seconds", "", float64(cpu)/1e9, now)
	add("node_memory_working_set_bytes", "gauge", "Current working set of the node's pods in bytes", "", float64(memory), now)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	for _, name := range names {
		w.Write(metrics[name].Bytes())
	}
	fmt.Fprint(w, "# HELP resource_scrape_error 1 if there was an error while getting container metrics, 0 otherwise\n# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n")
}

func startOf(pod *v1.Pod, container string) time.Time {
	for _, list := range [][]v1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for _, c := range list {
			if c.Name == container && c.State.Running != nil {
				return c.State.Running.StartedAt.Time
			}
		}
	}
	return time.Time{}
}

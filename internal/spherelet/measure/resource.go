package measure

import (
	"net/http"
	"time"
)

// Names, help and labels are the kubelet's (pkg/kubelet/metrics/collectors/resource_metrics.go).
var (
	ofContainer = []string{"container", "pod", "namespace"}
	ofPod       = []string{"pod", "namespace"}

	nodeCPU        = family{"node_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the node in core-seconds", nil}
	nodeMemory     = family{"node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes", nil}
	nodeSwap       = family{"node_swap_usage_bytes", "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems", nil}
	containerCPU   = family{"container_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the container in core-seconds", ofContainer}
	containerSet   = family{"container_memory_working_set_bytes", "[STABLE] Current working set of the container in bytes", ofContainer}
	containerSwap  = family{"container_swap_usage_bytes", "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems", ofContainer}
	containerStart = family{"container_start_time_seconds", "[STABLE] Start time of the container since unix epoch in seconds", ofContainer}
	podCPU         = family{"pod_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds", ofPod}
	podSet         = family{"pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes", ofPod}
	podSwap        = family{"pod_swap_usage_bytes", "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems", ofPod}
	scrapeError    = family{"scrape_error", "[ALPHA] (Deprecated since 1.29.0) 1 if there was an error while getting container metrics, 0 otherwise", nil}
	resourceError  = family{"resource_scrape_error", "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", nil}
)

// WriteResource answers /metrics/resource, which the metrics server reads.
func WriteResource(w http.ResponseWriter, r *http.Request, s *Sample) {
	expose(w, r, func(p *page) {
		failed := bit(s.Node.Away || s.Failed > 0)
		p.gauge(scrapeError, failed)
		p.gauge(resourceError, failed)
		for _, pod := range s.Pods {
			for _, c := range pod.Agent.Containers {
				if at := pod.started(c.Name); !at.IsZero() {
					p.gauge(containerStart, float64(at.UnixMilli())/1e3, c.Name, pod.Name, pod.Namespace)
				}
			}
		}
		p.at = s.At
		used := s.usage()
		p.counter(nodeCPU, seconds(used.cpu))
		p.gauge(nodeMemory, float64(used.workingSet))
		p.gauge(nodeSwap, 0)
		for _, pod := range s.Pods {
			p.resource(pod, s.At)
		}
	})
}

func (p *page) resource(pod Pod, at time.Time) {
	p.at = at
	for _, c := range pod.Agent.Containers {
		labels := []string{c.Name, pod.Name, pod.Namespace}
		p.counter(containerCPU, seconds(pod.CPU[c.Name]), labels...)
		p.gauge(containerSet, float64(c.MemoryWorkingSetBytes), labels...)
		p.gauge(containerSwap, 0, labels...)
	}
	used := pod.usage()
	p.counter(podCPU, seconds(used.cpu), pod.Name, pod.Namespace)
	p.gauge(podSet, float64(used.workingSet), pod.Name, pod.Namespace)
	p.gauge(podSwap, 0, pod.Name, pod.Namespace)
}

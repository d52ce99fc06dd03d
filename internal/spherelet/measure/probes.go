package measure

import "net/http"

// probeTotal is the kubelet's (pkg/kubelet/prober).
var probeTotal = family{
	"prober_probe_total", "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.",
	[]string{"probe_type", "result", "container", "pod", "namespace", "pod_uid"},
}

var probeTypes = map[string]string{"liveness": "Liveness", "readiness": "Readiness", "startup": "Startup"}

// WriteProbes answers /metrics/probes: what the agents counted.
func WriteProbes(w http.ResponseWriter, r *http.Request, s *Sample) {
	expose(w, r, func(p *page) {
		for _, pod := range s.Pods {
			for _, c := range pod.Agent.Probes {
				for result, count := range map[string]uint64{"successful": c.Successful, "failed": c.Failed, "unknown": c.Unknown} {
					if count > 0 {
						p.counter(probeTotal, float64(count), probeTypes[c.Kind], result, c.Container, pod.Name, pod.Namespace, string(pod.UID))
					}
				}
			}
		}
	})
}

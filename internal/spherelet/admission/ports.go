package admission

import (
	v1 "k8s.io/api/core/v1"

	podapi "pacific/api/pod"
)

// ports refuses a pod that wants a port of the host which another has, as the scheduler and the kubelet do.
func ports(pod *v1.Pod, node Node) *Rejection {
	want := podapi.HostPorts(pod)
	for _, other := range node.Others {
		for _, have := range podapi.HostPorts(other) {
			for _, p := range want {
				if conflict(p, have) {
					return &Rejection{Reason: ReasonPorts, Problems: []string{"Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"}}
				}
			}
		}
	}
	return nil
}

func conflict(a, b v1.ContainerPort) bool {
	protocol := func(p v1.ContainerPort) v1.Protocol {
		if p.Protocol == "" {
			return v1.ProtocolTCP
		}
		return p.Protocol
	}
	every := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }
	return a.HostPort == b.HostPort && protocol(a) == protocol(b) && (a.HostIP == b.HostIP || every(a.HostIP) || every(b.HostIP))
}

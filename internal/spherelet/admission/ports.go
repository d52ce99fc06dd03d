package admission

import (
	"fmt"
	"slices"
	"strings"

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

// Reserved is a port of the node's addresses on which a program of the node itself listens.
type Reserved struct {
	Protocol v1.Protocol
	Port     int32
	By       string
}

// reserved refuses a pod that would get what is sent to the node's own programs.
func reserved(pod *v1.Pod, node Node) *Rejection {
	out := &Rejection{Reason: ReasonNotSupported}
	for _, p := range podapi.HostPorts(pod) {
		for _, r := range node.Reserved {
			its := func(ip string) bool {
				return conflict(p, v1.ContainerPort{HostIP: ip, HostPort: r.Port, Protocol: r.Protocol})
			}
			if slices.ContainsFunc(node.IPs, its) {
				out.Problems = append(out.Problems, fmt.Sprintf("hostPort %s: on this node it is the port of %s; use another", portName(p), r.By))
			}
		}
	}
	if len(out.Problems) == 0 {
		return nil
	}
	return out
}

// EventHostNetwork is the reason of the event that HostNetwork is the message of.
const EventHostNetwork = "HostNetworkForwarded"

// HostNetwork tells the user of a pod on the host's network what it has and what it has not; empty for other pods.
func HostNetwork(pod *v1.Pod, address string) string {
	if !pod.Spec.HostNetwork {
		return ""
	}
	var names []string
	for _, p := range podapi.HostPorts(pod) {
		names = append(names, portName(p))
	}
	ports := "It declares no ports, so none lead from there to it."
	if len(names) > 0 {
		ports = fmt.Sprintf("Of the ports there those that it declares lead to it: %s.", strings.Join(names, ", "))
	}
	return fmt.Sprintf("hostNetwork: the pod is a virtual machine that has the address %s of its node towards others. %s It does not have the host's "+
		"loopback and interfaces, and its programs cannot listen on that address itself, only on all addresses.", address, ports)
}

func portName(p v1.ContainerPort) string { return fmt.Sprintf("%d/%s", p.HostPort, protocol(p)) }

func protocol(p v1.ContainerPort) v1.Protocol {
	if p.Protocol == "" {
		return v1.ProtocolTCP
	}
	return p.Protocol
}

func conflict(a, b v1.ContainerPort) bool {
	every := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }
	return a.HostPort == b.HostPort && protocol(a) == protocol(b) && (a.HostIP == b.HostIP || every(a.HostIP) || every(b.HostIP))
}

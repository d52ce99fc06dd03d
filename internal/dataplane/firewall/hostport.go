package firewall

import (
	"net/netip"
	"strconv"

	"sigs.k8s.io/knftables"

	"pacific/internal/dataplane/plan"
)

// renderHostPorts leads connections to a port of the host to the pod that has it. Of two pods that want one port the
// first has it; the spherelet admits no such second.
func renderHostPorts(tx *knftables.Transaction, rules Rules) {
	for _, v := range []string{"4", "6"} {
		for name, kind := range map[string]string{
			"host-ports" + v:    "inet_proto . inet_service : ipv" + v + "_addr . inet_service",
			"host-ip-ports" + v: "ipv" + v + "_addr . inet_proto . inet_service : ipv" + v + "_addr . inet_service",
		} {
			tx.Add(&knftables.Map{Name: name, Type: kind})
			tx.Flush(&knftables.Map{Name: name})
		}
	}
	taken := map[plan.HostPort]bool{}
	for _, port := range rules.Ports {
		for _, p := range port.HostPorts {
			key := plan.HostPort{Host: p.Host, Protocol: p.Protocol, Port: p.Port}
			if !taken[key] {
				taken[key] = true
				addHostPort(tx, p, port.Addresses)
			}
		}
	}
	tx.Add(&knftables.Chain{Name: "host-port"})
	tx.Flush(&knftables.Chain{Name: "host-port"})
	// What a host sends to itself there stays there.
	tx.Add(&knftables.Rule{Chain: "host-port", Rule: "ip daddr 127.0.0.0/8 return"})
	tx.Add(&knftables.Rule{Chain: "host-port", Rule: "ip6 daddr ::1 return"})
	for _, f := range []struct{ family, version string }{{"ip", "4"}, {"ip6", "6"}} {
		tx.Add(&knftables.Rule{Chain: "host-port", Rule: knftables.Concat("dnat", f.family, "to", f.family, "daddr . meta l4proto . th dport map @host-ip-ports"+f.version)})
		tx.Add(&knftables.Rule{Chain: "host-port", Rule: knftables.Concat("dnat", f.family, "to meta l4proto . th dport map @host-ports"+f.version)})
	}
	baseChain(tx, "nat-prerouting", knftables.NATType, knftables.PreroutingHook, knftables.DNATPriority)
	baseChain(tx, "nat-output", knftables.NATType, knftables.OutputHook, knftables.DNATPriority)
	for _, chain := range []string{"nat-prerouting", "nat-output"} {
		tx.Add(&knftables.Rule{Chain: chain, Rule: "fib daddr type local jump host-port"})
	}
}

func addHostPort(tx *knftables.Transaction, p plan.HostPort, addresses []netip.Addr) {
	for _, pod := range addresses {
		name, key := "host-ports"+version(pod), []string{p.Protocol, strconv.Itoa(int(p.Port))}
		if p.Host.IsValid() {
			if p.Host.Is4() != pod.Is4() {
				continue
			}
			name, key = "host-ip-ports"+version(pod), append([]string{p.Host.String()}, key...)
		}
		tx.Add(&knftables.Element{Map: name, Key: key, Value: []string{pod.String(), strconv.Itoa(int(p.Container))}})
	}
}

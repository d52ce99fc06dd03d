// Package files writes the files that every container of a pod has: /etc/hosts, /etc/resolv.conf and /etc/hostname, as the
// kubelet writes them.
package files

import (
	"fmt"
	"net/netip"
	"strings"

	agentv1 "pacific/api/agent/v1"
)

// Hosts is the content of /etc/hosts.
func Hosts(pod *agentv1.Pod) []byte {
	var b strings.Builder
	if pod.NodeHosts != nil {
		b.WriteString("# Kubernetes-managed hosts file (host network).\n")
		b.Write(pod.GetNodeHosts())
	} else {
		own(&b, pod)
	}
	if len(pod.GetHostAliases()) > 0 {
		b.WriteString("\n# Entries added by HostAliases.\n")
	}
	for _, a := range pod.GetHostAliases() {
		fmt.Fprintf(&b, "%s\t%s\n", a.GetIp(), strings.Join(a.GetHostnames(), "\t"))
	}
	return []byte(b.String())
}

// own entries of a pod with an address of its own.
func own(b *strings.Builder, pod *agentv1.Pod) {
	b.WriteString("# Kubernetes-managed hosts file.\n" +
		"127.0.0.1\tlocalhost\n" +
		"::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\n" +
		"fe00::0\tip6-mcastprefix\n" +
		"fe00::1\tip6-allnodes\n" +
		"fe00::2\tip6-allrouters\n")
	names := pod.GetHostname()
	if pod.GetDomain() != "" {
		names = pod.GetHostname() + "." + pod.GetDomain() + "\t" + pod.GetHostname()
	}
	for _, cidr := range pod.GetNetwork().GetAddresses() {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			fmt.Fprintf(b, "%s\t%s\n", prefix.Addr(), names)
		}
	}
}

// ResolvConf is the content of /etc/resolv.conf.
func ResolvConf(dns *agentv1.Dns) []byte {
	var b strings.Builder
	if len(dns.GetSearches()) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(dns.GetSearches(), " "))
	}
	for _, s := range dns.GetServers() {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(dns.GetOptions()) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(dns.GetOptions(), " "))
	}
	return []byte(b.String())
}

// Hostname is the content of /etc/hostname.
func Hostname(pod *agentv1.Pod) []byte { return []byte(pod.GetHostname() + "\n") }

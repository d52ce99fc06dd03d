package podspec

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	agentv1 "pacific/api/agent/v1"
)

// Resolver is the content of a resolv.conf(5).
type Resolver struct {
	Servers, Searches, Options []string
}

// ParseResolver reads a resolv.conf(5). Servers on a loopback address are left out: they are not there in a pod.
func ParseResolver(r io.Reader) Resolver {
	var out Resolver
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if ip := net.ParseIP(fields[1]); ip != nil && !ip.IsLoopback() {
				out.Servers = append(out.Servers, fields[1])
			}
		case "search", "domain":
			out.Searches = fields[1:]
		case "options":
			out.Options = fields[1:]
		}
	}
	return out
}

// Limits of the API (k8s.io/kubernetes/pkg/apis/core/validation) and of older resolvers.
const (
	maxServers     = 3
	maxSearches    = 32
	maxSearchChars = 2048
)

// DNS makes the pod's resolver configuration by its dnsPolicy and dnsConfig.
func DNS(pod *v1.Pod, env Environment) *agentv1.Dns {
	var out Resolver
	switch policy := pod.Spec.DNSPolicy; {
	case policy == v1.DNSNone:
	case policy == v1.DNSDefault, len(env.ClusterDNS) == 0, pod.Spec.HostNetwork && policy != v1.DNSClusterFirstWithHostNet:
		out = env.Resolver
	default: // ClusterFirst and ClusterFirstWithHostNet, which differ only on the host's network
		out.Servers = env.ClusterDNS
		out.Searches = append([]string{
			fmt.Sprintf("%s.svc.%s", pod.Namespace, env.ClusterDomain), "svc." + env.ClusterDomain, env.ClusterDomain,
		}, env.Resolver.Searches...)
		out.Options = []string{"ndots:5"}
	}
	if c := pod.Spec.DNSConfig; c != nil {
		out.Servers = append(slices.Clone(out.Servers), c.Nameservers...)
		out.Searches = append(slices.Clone(out.Searches), c.Searches...)
		out.Options = mergeOptions(out.Options, c.Options)
	}
	return &agentv1.Dns{
		Servers:  firstN(unique(out.Servers), maxServers),
		Searches: fitSearches(unique(out.Searches)),
		Options:  out.Options,
	}
}

// mergeOptions lets the pod's options replace those of the same name.
func mergeOptions(base []string, options []v1.PodDNSConfigOption) []string {
	merged := slices.Clone(base)
	for _, o := range options {
		text := o.Name
		if o.Value != nil {
			text += ":" + *o.Value
		}
		same := slices.IndexFunc(merged, func(m string) bool { name, _, _ := strings.Cut(m, ":"); return name == o.Name })
		if same >= 0 {
			merged[same] = text
		} else {
			merged = append(merged, text)
		}
	}
	return merged
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func firstN(list []string, n int) []string { return list[:min(n, len(list))] }

func fitSearches(list []string) []string {
	list = firstN(list, maxSearches)
	for len(list) > 0 && len(strings.Join(list, " ")) > maxSearchChars {
		list = list[:len(list)-1]
	}
	return list
}

package admission

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// safeSysctls are upstream's: Pod Security's profiles allow the same.
var safeSysctls = []string{
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.ping_group_range",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_wmem",
}

// sysctls lets a pod set the safe ones, and those that the administrator has allowed.
func sysctls(pod *v1.Pod, node Node) *Rejection {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	out := &Rejection{Reason: ReasonSysctl}
	for _, s := range pod.Spec.SecurityContext.Sysctls {
		name := strings.ReplaceAll(s.Name, "/", ".")
		if !slices.Contains(safeSysctls, name) && !slices.ContainsFunc(node.UnsafeSysctls, func(p string) bool { return covers(p, name) }) {
			out.Problems = append(out.Problems, fmt.Sprintf("forbidden sysctl: %q not allowlisted", s.Name))
		}
	}
	if len(out.Problems) == 0 {
		return nil
	}
	return out
}

func covers(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

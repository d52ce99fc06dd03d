package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	agentv1 "pacific/api/agent/v1"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// defaultCapabilities are containerd's.
var defaultCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
}

// allCapabilities of Linux 6.1.
var allCapabilities = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
	"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
	"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// capabilities: "ALL" in add or drop first, then the single ones, as containerd does.
func capabilities(sec *agentv1.SecurityContext) []string {
	if sec.GetPrivileged() {
		return allCapabilities
	}
	caps := slices.Clone(defaultCapabilities)
	add, drop := prefixed(sec.GetAddCapabilities()), prefixed(sec.GetDropCapabilities())
	if slices.Contains(add, "CAP_ALL") {
		caps = slices.Clone(allCapabilities)
	}
	if slices.Contains(drop, "CAP_ALL") {
		caps = nil
	}
	for _, c := range add {
		if c != "CAP_ALL" && !slices.Contains(caps, c) {
			caps = append(caps, c)
		}
	}
	return slices.DeleteFunc(caps, func(c string) bool { return slices.Contains(drop, c) })
}

func prefixed(names []string) []string {
	var out []string
	for _, n := range names {
		n = strings.ToUpper(n)
		if !strings.HasPrefix(n, "CAP_") {
			n = "CAP_" + n
		}
		out = append(out, n)
	}
	return out
}

func seccompProfile(sec *agentv1.SecurityContext, s *specs.Spec) (*specs.LinuxSeccomp, error) {
	kind := sec.GetSeccomp()
	switch {
	case sec.GetPrivileged() || kind == "" || kind == "unconfined":
		return nil, nil
	case kind == "runtime/default":
		return seccomp.GetDefaultProfile(s)
	case strings.HasPrefix(kind, "localhost/"):
		var profile specs.LinuxSeccomp
		if err := json.Unmarshal(sec.GetSeccompProfile(), &profile); err != nil {
			return nil, fmt.Errorf("seccomp profile %s: %w", kind, err)
		}
		return &profile, nil
	}
	return nil, fmt.Errorf("unknown seccomp profile %q", kind)
}

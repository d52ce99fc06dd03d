package placement

import (
	"fmt"
	"slices"
	"strings"
)

// nowhere says why no host takes the machine, and what would help.
func (s *site) nowhere(m Machine, refusals []Refusal) string {
	if len(refusals) == 0 {
		return fmt.Sprintf("no host can take %s: there are no hosts. Would help: join a host (pacific host join)", m.describe())
	}
	return fmt.Sprintf("no host can take %s: %s. Would help: %s", m.describe(), firsts(refusals), strings.Join(help(m, refusals), ", or "))
}

// firsts is the first reason of each host.
func firsts(refusals []Refusal) string {
	var list []string
	for _, r := range refusals {
		list = append(list, r.Name+" "+r.Reasons[0].Message)
	}
	return strings.Join(list, "; ")
}

// help proposes the smallest changes first: those after which one host would do.
func help(m Machine, refusals []Refusal) []string {
	var list []string
	for _, r := range refusals {
		if len(r.Reasons) > 1 {
			continue
		}
		if text := remedy(r.Name, r.Reasons[0]); text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	need := m.guarantee()
	host := fmt.Sprintf("another host with %d processors and %s of memory", m.CPUs, mebibytes(max(m.MemoryBytes+m.OverheadBytes, need.MemoryBytes)))
	return append(list, host)
}

// remedy for the one reason that keeps a machine off a host; empty where there is none but another host.
func remedy(host string, r Reason) string {
	switch r.Cause {
	case HostNotResponding:
		return "bring " + host + " back"
	case InMaintenance:
		return "take " + host + " out of maintenance"
	case InsufficientMem:
		return fmt.Sprintf("%s of memory less reserved on %s", mebibytes(r.Short.MemoryBytes), host)
	case InsufficientCPU:
		return fmt.Sprintf("%d MHz less reserved on %s", r.Short.CPUMHz, host)
	case NoDatastore:
		return "room on a datastore of " + host
	case NoNetwork:
		return "the network on " + host
	case TooFewCPUs:
		return "fewer vCPUs"
	case TooLittleMemory:
		return "less memory"
	}
	return ""
}

func poolHelp(m Machine) string {
	return fmt.Sprintf("a higher limit of resource pool %s, or a smaller reservation", m.Pool)
}

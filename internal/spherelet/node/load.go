package node

import (
	"time"

	hostv1 "pacific/api/host/v1"
	nodeapi "pacific/api/node"
)

const (
	// loadWindow is the least time over which a rate of processor time is made: less says nothing, as when the agent was poked.
	loadWindow = 5 * time.Second
	// loadAge is the most: what was before that is no load of now.
	loadAge = time.Minute
)

// usage of the host's machines, as it is looked at again and again.
type usage struct {
	at   time.Time
	cpu  uint64 // nanoseconds
	load *nodeapi.Load
}

// next is the usage with what hostd says now. Where a rate cannot be made yet the load stays as it was.
func (u usage) next(host *hostv1.GetHostResponse, now time.Time) usage {
	passed := now.Sub(u.at)
	if !u.at.IsZero() && passed < loadWindow {
		return u
	}
	out := usage{at: now, cpu: host.MachinesCpuNanoseconds}
	// Processor time that goes backwards counts a new group: the last machine had gone.
	if !u.at.IsZero() && passed <= loadAge && out.cpu >= u.cpu {
		millis := int64(float64(out.cpu-u.cpu) / float64(passed) * 1000)
		out.load = &nodeapi.Load{CPUMillis: millis, MemoryBytes: int64(host.MemoryUsedBytes)}
	}
	return out
}

// loadOf the host for others, nil if it is not known.
func (a *Agent) loadOf(now time.Time) *nodeapi.Load {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lost != nil || now.Sub(a.used.at) > loadAge {
		return nil
	}
	return a.used.load
}

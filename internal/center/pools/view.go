package pools

import (
	"time"

	hostv1 "pacific/api/host/v1"
)

// view of a host by what it told last.
type view struct {
	seen, answers    bool
	answered         time.Time // the last time, or when it was first asked
	cpus, mhzPerCore float64
	pools            map[string]*track
}

// track of a pool on a host.
type track struct {
	set       bool
	wanted    *hostv1.Pool // as the host has it
	machines  uint32
	vcpus     uint32
	reserved  uint64
	wants     uint64
	rss       uint64
	memory    uint64
	working   uint64
	used      float64 // MHz, for the division: it falls slower than it rises
	throttled bool
	samples   []sample // the oldest first
}

type sample struct {
	at                 time.Time
	nanoseconds        uint64
	periods, throttled uint64
}

// window over which usage is told.
const window = 10 * time.Second

// fall is how much of what was used is still expected a second later.
const fall = 0.7

// throttledPart of the periods makes a pool one that wants more.
const throttledPart = 0.1

// take what the host answered.
func (v *view) take(list *hostv1.ListPoolsResponse, err error, now time.Time) {
	if v.answers = err == nil; err != nil {
		return
	}
	v.seen, v.answered = true, now
	v.cpus, v.mhzPerCore = float64(list.GetCpus()), float64(list.GetMhzPerCore())
	pools := map[string]*track{}
	for _, s := range list.GetPools() {
		t := v.pool(s.GetPool().GetPath())
		t.take(s, list.GetAt().AsTime(), v.mhzPerCore)
		pools[s.GetPool().GetPath()] = t
	}
	v.pools = pools
}

// pool that the host has or had; one that it has not is empty.
func (v *view) pool(path string) *track {
	if t := v.pools[path]; t != nil {
		return t
	}
	return &track{wanted: &hostv1.Pool{Path: path}}
}

func (t *track) take(s *hostv1.PoolStatus, at time.Time, mhzPerCore float64) {
	t.set, t.wanted = s.GetSet(), s.GetPool()
	t.machines, t.vcpus = s.GetMachines(), s.GetVcpus()
	t.reserved, t.wants = s.GetMemoryReservedBytes(), s.GetMemoryWantedBytes()
	t.rss, t.memory, t.working = s.GetUsage().GetMemoryRssBytes(), s.GetUsage().GetMemoryBytes(), s.GetUsage().GetMemoryWorkingSetBytes()
	next := sample{at: at, nanoseconds: s.GetUsage().GetCpuNanoseconds(), periods: s.GetPeriods(), throttled: s.GetPeriodsThrottled()}
	last := len(t.samples) - 1
	switch {
	case last < 0:
	case next.nanoseconds < t.samples[last].nanoseconds || next.periods < t.samples[last].periods || !next.at.After(t.samples[last].at):
		t.samples, t.used = nil, 0 // the kernel counts anew, or the clock was set
	default:
		before := t.samples[last]
		t.used = max(rate(before, next)*mhzPerCore, t.used*fall)
		t.throttled = float64(next.throttled-before.throttled) > throttledPart*float64(next.periods-before.periods)
	}
	t.samples = append(t.samples, next)
	for len(t.samples) > 2 && at.Sub(t.samples[1].at) >= window {
		t.samples = t.samples[1:]
	}
}

// rate in processors.
func rate(before, after sample) float64 {
	if !after.at.After(before.at) {
		return 0
	}
	return float64(after.nanoseconds-before.nanoseconds) / float64(after.at.Sub(before.at).Nanoseconds())
}

// average MHz in the window.
func (t *track) average(mhzPerCore float64) float64 {
	if len(t.samples) < 2 {
		return 0
	}
	return rate(t.samples[0], t.samples[len(t.samples)-1]) * mhzPerCore
}

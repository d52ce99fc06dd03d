package pool

import (
	"time"

	hostv1 "pacific/api/host/v1"
)

// A reservation becomes a weight as if the machines of this host had all of its processors. Where others take of them, as daemons do,
// that is too little. So what pools get is measured, and those that get less than is reserved while they wait for processors weigh more.
const (
	// measureEvery is short enough that a pool has its reservation within some seconds.
	measureEvery = 2 * time.Second
	// mostBoost and mostStep keep a pool that cannot have its reservation at all from taking everything.
	mostBoost = 8
	mostStep  = 4
	// enough of a reservation is enough, and above plenty the boost is not needed; between them nothing changes.
	enough = 0.98
	plenty = 1.15
	// calm is how much of the boost stays when it is not needed.
	calm = 0.8
	// waits is how long machines must have waited for processors, as a part of the time, to want more.
	waits = 0.05
)

// boosted is the next boost of a pool that used so many MHz of those reserved; waited is how long its machines waited for processors, as
// a part of the time. 1 is none.
func boosted(boost, used, reserved, waited float64) float64 {
	switch {
	case reserved <= 0:
		return 1
	case used < enough*reserved && waited > waits:
		return min(boost*min(reserved/max(used, 1), mostStep), mostBoost)
	case used > plenty*reserved || waited <= waits:
		return max(1, boost*calm)
	}
	return boost
}

// meter of a pool with a reservation.
type meter struct {
	at          time.Time
	nanoseconds uint64
	waited      time.Duration
	boost       float64
}

// next is the meter after another look at the pool.
func (m meter) next(now time.Time, nanoseconds uint64, waited time.Duration, reserved, mhzPerCore float64) meter {
	after := meter{at: now, nanoseconds: nanoseconds, waited: waited, boost: max(m.boost, 1)}
	took := now.Sub(m.at)
	if m.at.IsZero() || took <= 0 || nanoseconds < m.nanoseconds || waited < m.waited {
		return after // machines have gone, or nothing was known
	}
	used := float64(nanoseconds-m.nanoseconds) / float64(took.Nanoseconds()) * mhzPerCore
	after.boost = boosted(after.boost, used, reserved, float64(waited-m.waited)/float64(took))
	return after
}

// measure looks at the pools with a reservation, and tells whether one weighs noticeably more or less than before.
func (p *Pools) measure(now time.Time, running []Member) (changed bool) {
	p.mu.Lock()
	pools, meters := p.pools, p.meters
	p.mu.Unlock()
	after := map[string]meter{}
	for path, pool := range pools {
		if pool.GetCpuReservationMhz() == 0 {
			continue
		}
		usage, err := p.Cgroups.Usage(p.Cgroups.PoolPath(path))
		if err != nil {
			continue
		}
		before := meters[path]
		next := before.next(now, usage.CPUNanoseconds, waited(path, running), reachable(pool), float64(p.MHzPerCore))
		changed = changed || next.boost != max(before.boost, 1)
		after[path] = next
	}
	p.mu.Lock()
	p.meters = after
	p.mu.Unlock()
	return changed
}

// reachable is the reservation, or a smaller limit.
func reachable(pool *hostv1.Pool) float64 {
	reserved := pool.GetCpuReservationMhz()
	if pool.CpuLimitMhz != nil {
		reserved = min(reserved, *pool.CpuLimitMhz)
	}
	return float64(reserved)
}

// waited is how long the machines of a pool waited for processors since they began.
func waited(pool string, running []Member) time.Duration {
	var sum time.Duration
	for _, m := range running {
		if m.Waited != nil && m.in(pool) {
			sum += m.Waited()
		}
	}
	return sum
}

// boost of a pool; needs mu.
func (p *Pools) boost(path string) float64 { return max(p.meters[path].boost, 1) }

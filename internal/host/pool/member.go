package pool

import (
	"path"
	"strings"
	"time"

	hostv1 "pacific/api/host/v1"
)

// Member is a machine that runs or is about to.
type Member struct {
	ID, Pool string
	// Reserved is the memory in bytes that it is guaranteed.
	Reserved uint64
	VCPUs    uint32
	// Standby is the machine that it took over, whose memory is accounted outside of the pool's cgroup; "" for none.
	Standby string
	// Waited is how long its VMM has waited for processors; nil for one that does not run yet.
	Waited func() time.Duration
}

// in tells whether the member is in the pool or below it.
func (m Member) in(pool string) bool { return below(m.Pool, pool) }

func below(path, pool string) bool {
	return path == pool || strings.HasPrefix(path, pool+"/")
}

// above are the pool itself and those that it is in, the outermost last.
func above(pool string) []string {
	var all []string
	for ; pool != "." && pool != ""; pool = path.Dir(pool) {
		all = append(all, pool)
	}
	return all
}

// reservedIn is what the members in a pool and below reserve together.
func reservedIn(pool string, members []Member) uint64 {
	var sum uint64
	for _, m := range members {
		if m.in(pool) {
			sum += m.Reserved
		}
	}
	return sum
}

// Pools by path.
type byPath map[string]*hostv1.Pool

// memory that is reserved on the host: a pool keeps its reservation for its machines, which have it first and reserve of the host only
// what they need beyond.
func (p byPath) memory(members []Member) uint64 {
	return p.total("", members, func(pool *hostv1.Pool) uint64 { return pool.GetMemoryReservationBytes() })
}

// processors that are reserved on the host, in MHz. Machines reserve none.
func (p byPath) processors() uint64 {
	return p.total("", nil, func(pool *hostv1.Pool) uint64 { return pool.GetCpuReservationMhz() })
}

func (p byPath) total(under string, members []Member, of func(*hostv1.Pool) uint64) uint64 {
	var sum uint64
	for _, m := range members {
		if p.nearest(m.Pool) == under {
			sum += m.Reserved
		}
	}
	for path := range p {
		if p.nearest(parent(path)) == under {
			sum += p.total(path, members, of)
		}
	}
	if under == "" {
		return sum
	}
	return max(sum, of(p[under]))
}

// nearest is the pool itself or the next above it that was set, "" for the host.
func (p byPath) nearest(pool string) string {
	for _, candidate := range above(pool) {
		if _, ok := p[candidate]; ok {
			return candidate
		}
	}
	return ""
}

func parent(pool string) string {
	if dir := path.Dir(pool); dir != "." {
		return dir
	}
	return ""
}

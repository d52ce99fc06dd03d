// Package pool keeps the resource pools of a host: what somebody wants of them, on disk, and the cgroups that enforce it.
//
// A limit of processor time is the cgroup's. A limit of memory is kept by admission: a machine starts only if what it reserves fits
// beside what the pool's machines reserve and use. The cgroup has the same limit for machines that grow beyond what they reserve.
package pool

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/cgroup"
)

// Config is what Pools work with.
type Config struct {
	HostName, StateDir string
	Cgroups            *cgroup.Tree
	MHzPerCore, CPUs   uint32
	MemoryBytes        uint64
}

// Pools of a host. Its methods are safe for concurrent use.
type Pools struct {
	Config
	// writing keeps two from writing file and cgroups at a time, the older last.
	writing sync.Mutex
	poked   chan struct{}

	mu      sync.Mutex
	pools   byPath
	wanted  map[string]want // by machine
	changed chan struct{}   // closed and replaced with every change
	meters  map[string]meter
}

// want is a start that was refused.
type want struct {
	pool  string
	bytes uint64
	until time.Time
}

// wantedFor is longer than those who were refused wait before they ask again.
const wantedFor = time.Minute

// Open reads the records. The cgroups follow with Commit, when it is known what runs.
func Open(config Config) (*Pools, error) {
	p := &Pools{Config: config, wanted: map[string]want{}, changed: make(chan struct{}), poked: make(chan struct{}, 1)}
	var err error
	if p.pools, err = load(config.StateDir); err != nil {
		return nil, fmt.Errorf("read the resource pools: %w", err)
	}
	return p, nil
}

var pathPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}(/[A-Za-z0-9_-]{1,63})*$`)

// Put takes a pool's new limits, which hold at once for starts; Commit brings them to disk and cgroups. members are all machines that run.
func (p *Pools) Put(pool *hostv1.Pool, members []Member) error {
	if err := p.valid(pool); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if proto.Equal(p.pools[pool.GetPath()], pool) {
		return nil
	}
	after := maps.Clone(p.pools)
	after[pool.GetPath()] = proto.CloneOf(pool)
	if err := p.fits(after, members); err != nil {
		return err
	}
	p.replace(after)
	return nil
}

// Drop forgets a pool. One that is gone is no error.
func (p *Pools) Drop(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	after := maps.Clone(p.pools)
	delete(after, path)
	p.replace(after)
}

// replace needs mu.
func (p *Pools) replace(pools byPath) {
	p.pools = pools
	close(p.changed)
	p.changed = make(chan struct{})
}

// Changed is closed when a pool changes.
func (p *Pools) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

func (p *Pools) valid(pool *hostv1.Pool) error {
	bad := func(format string, args ...any) error {
		return status.Errorf(codes.InvalidArgument, "resource pool "+pool.GetPath()+": "+format, args...)
	}
	switch {
	case !pathPattern.MatchString(pool.GetPath()):
		return status.Errorf(codes.InvalidArgument, "resource pool %q is not of the form %s", pool.GetPath(), pathPattern)
	case pool.CpuLimitMhz != nil && *pool.CpuLimitMhz == 0:
		return bad("a CPU limit of 0 MHz would stop its machines; leave it unset for none")
	case pool.CpuLimitMhz != nil && *pool.CpuLimitMhz < pool.GetCpuReservationMhz():
		return bad("its CPU limit of %d MHz is less than its reservation of %d MHz", *pool.CpuLimitMhz, pool.GetCpuReservationMhz())
	case pool.MemoryLimitBytes != nil && *pool.MemoryLimitBytes < pool.GetMemoryReservationBytes():
		return bad("its memory limit of %d MiB is less than its reservation of %d MiB", *pool.MemoryLimitBytes>>20, pool.GetMemoryReservationBytes()>>20)
	case pool.GetShares() > maxShares:
		return bad("%d shares are more than %d", pool.GetShares(), maxShares)
	}
	return nil
}

// maxShares is the kernel's.
const maxShares = 1 << 18

// fits refuses reservations that the host has not. What was too much before may stay as it is.
func (p *Pools) fits(after byPath, members []Member) error {
	exhausted := func(format string, args ...any) error { return status.Errorf(codes.ResourceExhausted, format, args...) }
	if have := after.memory(members); have > p.MemoryBytes && have > p.pools.memory(members) {
		return exhausted("with this resource pool %d MiB of memory would be reserved on host %s, which has %d MiB: reserve less", have>>20, p.HostName, p.MemoryBytes>>20)
	}
	if have, most := after.processors(), p.megahertz(); have > most && have > p.pools.processors() {
		return exhausted("with this resource pool %d MHz would be reserved on host %s, which has %d MHz: reserve less", have, p.HostName, most)
	}
	return nil
}

func (p *Pools) megahertz() uint64 { return uint64(p.CPUs) * uint64(p.MHzPerCore) }

// ReservedMHz are the reservations of all pools.
func (p *Pools) ReservedMHz() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pools.processors()
}

// Reserved is the memory that machines and pools reserve together.
func (p *Pools) Reserved(members []Member) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pools.memory(members)
}

// Admit returns a [Refusal] where a pool has no memory left for a machine beside those that run.
func (p *Pools) Admit(machine Member, running []Member) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	refusal := p.pools.refuse(machine, running, func(pool string) uint64 { return p.used(pool, running).RSS })
	if refusal == nil {
		delete(p.wanted, machine.ID)
		return nil
	}
	refusal.Host = p.HostName
	p.wanted[machine.ID] = want{pool: machine.Pool, bytes: machine.Reserved, until: time.Now().Add(wantedFor)}
	return refusal
}

// Forget a machine that was refused and is not wanted any more.
func (p *Pools) Forget(machine string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.wanted, machine)
}

// used by a pool's machines, with what they have in the groups of the standby machines that they took over. What cannot be
// measured counts nothing: it has just begun or ended.
func (p *Pools) used(pool string, running []Member) cgroup.Usage {
	usage, err := p.Cgroups.Usage(p.Cgroups.PoolPath(pool))
	if err != nil {
		return cgroup.Usage{}
	}
	outside := p.outside(pool, running)
	usage.MemoryBytes += outside.MemoryBytes
	usage.WorkingSet += outside.WorkingSet
	usage.RSS += outside.RSS
	return usage
}

func (p *Pools) outside(pool string, running []Member) cgroup.Usage {
	var sum cgroup.Usage
	for _, m := range running {
		if m.Standby == "" || !m.in(pool) {
			continue
		}
		if usage, err := p.Cgroups.Usage(p.Cgroups.Standby(m.Standby)); err == nil {
			sum.MemoryBytes += usage.MemoryBytes
			sum.WorkingSet += usage.WorkingSet
			sum.RSS += usage.RSS
		}
	}
	return sum
}

// Commit brings what is wanted to the disk and then to the cgroups.
func (p *Pools) Commit(running []Member) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	pools, boosts := p.pools, map[string]float64{}
	for path := range pools {
		boosts[path] = p.boost(path)
	}
	p.mu.Unlock()
	if err := save(p.StateDir, pools); err != nil {
		return status.Errorf(codes.Internal, "write the resource pools of host %s: %v", p.HostName, err)
	}
	limits := map[string]cgroup.PoolLimits{}
	for path, pool := range pools {
		limits[path] = p.limits(pool, boosts[path], running)
	}
	if err := p.Cgroups.SetPools(limits); err != nil {
		return status.Errorf(codes.Internal, "resource pools of host %s: %v", p.HostName, err)
	}
	return nil
}

// limits of a pool's cgroup.
func (p *Pools) limits(pool *hostv1.Pool, boost float64, running []Member) cgroup.PoolLimits {
	perCore := float64(p.MHzPerCore)
	l := cgroup.PoolLimits{
		Processors:         float64(pool.GetCpuLimitMhz()) / perCore,
		ReservedProcessors: float64(pool.GetCpuReservationMhz()) / perCore,
		Boost:              boost,
		ReservationBytes:   pool.GetMemoryReservationBytes(),
		Shares:             uint64(pool.GetShares()),
	}
	if pool.MemoryLimitBytes != nil {
		limit := *pool.MemoryLimitBytes - min(*pool.MemoryLimitBytes, p.outside(pool.GetPath(), running).MemoryBytes)
		l.MemoryBytes = &limit
	}
	return l
}

// List tells of the pools that were set or have machines, by path.
func (p *Pools) List(running []Member) []*hostv1.PoolStatus {
	p.mu.Lock()
	pools, wanted := p.pools, p.expire(time.Now())
	p.mu.Unlock()
	paths := map[string]bool{}
	for path := range pools {
		paths[path] = true
	}
	for _, m := range running {
		if m.Pool != "" {
			paths[m.Pool] = true
		}
	}
	var all []*hostv1.PoolStatus
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		all = append(all, p.describe(path, pools[path], running, wanted))
	}
	return all
}

func (p *Pools) describe(path string, pool *hostv1.Pool, running []Member, wanted []want) *hostv1.PoolStatus {
	usage := p.used(path, running)
	s := &hostv1.PoolStatus{
		Pool: &hostv1.Pool{Path: path},
		Usage: &hostv1.Usage{
			CpuNanoseconds: usage.CPUNanoseconds, MemoryBytes: usage.MemoryBytes,
			MemoryWorkingSetBytes: usage.WorkingSet, MemoryRssBytes: usage.RSS,
		},
		MemoryReservedBytes: reservedIn(path, running), Periods: usage.Periods, PeriodsThrottled: usage.ThrottledPeriods,
	}
	if pool != nil {
		s.Pool, s.Set = proto.CloneOf(pool), true
	}
	for _, m := range running {
		if m.in(path) {
			s.Machines++
			s.Vcpus += m.VCPUs
		}
	}
	for _, w := range wanted {
		if below(w.pool, path) {
			s.MemoryWantedBytes += w.bytes
		}
	}
	return s
}

// expire needs mu.
func (p *Pools) expire(now time.Time) []want {
	maps.DeleteFunc(p.wanted, func(_ string, w want) bool { return now.After(w.until) })
	return slices.Collect(maps.Values(p.wanted))
}

// Poke has Run look at the cgroups, after a machine has come or gone.
func (p *Pools) Poke() {
	select {
	case p.poked <- struct{}{}:
	default:
	}
}

// again is how often the cgroups are compared with what is wanted, for limits that could not be reached at once.
const again = 10 * time.Second

// Run keeps the cgroups at what is wanted until ctx is done.
func (p *Pools) Run(ctx context.Context, running func() []Member) {
	ticker, measuring := time.NewTicker(again), time.NewTicker(measureEvery)
	defer ticker.Stop()
	defer measuring.Stop()
	for {
		changed := true
		select {
		case <-ctx.Done():
			return
		case <-p.poked:
		case <-ticker.C:
		case now := <-measuring.C:
			changed = p.ReservedMHz() > 0 && p.measure(now, running())
		}
		if !changed || !p.any() {
			continue
		}
		if err := p.Commit(running()); err != nil {
			slog.Error("resource pools are not as wanted; trying again", "after", again, "err", err)
		}
	}
}

func (p *Pools) any() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pools) > 0
}

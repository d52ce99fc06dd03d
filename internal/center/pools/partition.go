package pools

import (
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
)

// partition is what each host shall have of a pool.
func partition(pool Pool, views []*view) []*hostv1.Pool {
	parts := make([]*hostv1.Pool, len(views))
	for i := range parts {
		parts[i] = &hostv1.Pool{Path: pool.Path, Shares: pool.Shares}
	}
	if pool.CPUMHz != nil {
		for i, part := range divideCPU(pool, *pool.CPUMHz, views, (*hostv1.Pool).GetCpuLimitMhz) {
			parts[i].CpuLimitMhz = proto.Uint64(part)
		}
	}
	if pool.MemoryBytes != nil {
		for i, part := range divideMemory(pool, *pool.MemoryBytes, views, (*hostv1.Pool).GetMemoryLimitBytes) {
			parts[i].MemoryLimitBytes, parts[i].MemoryLimitAllHostsBytes = proto.Uint64(part), proto.Uint64(*pool.MemoryBytes)
		}
	}
	if pool.ReservedMHz > 0 {
		for i, part := range divideCPU(pool, pool.ReservedMHz, views, (*hostv1.Pool).GetCpuReservationMhz) {
			parts[i].CpuReservationMhz = within(part, parts[i].CpuLimitMhz)
		}
	}
	if pool.ReservedBytes > 0 {
		for i, part := range divideMemory(pool, pool.ReservedBytes, views, (*hostv1.Pool).GetMemoryReservationBytes) {
			parts[i].MemoryReservationBytes = within(part, parts[i].MemoryLimitBytes)
		}
	}
	return parts
}

// within keeps a reservation below the host's part of the limit.
func within(part uint64, limit *uint64) uint64 {
	if limit != nil {
		return min(part, *limit)
	}
	return part
}

// previous is a host's part now; of a host that was never seen an even one is assumed.
func previous(have *track, v *view, amount uint64, hosts int, of func(*hostv1.Pool) uint64) uint64 {
	if have.set || v.seen {
		return of(have.wanted)
	}
	return amount / uint64(hosts)
}

func divideCPU(pool Pool, amount uint64, views []*view, of func(*hostv1.Pool) uint64) []uint64 {
	demands := make([]Demand, len(views))
	for i, v := range views {
		have := v.pool(pool.Path)
		demands[i] = Demand{
			Used: have.used, Throttled: have.throttled, Potential: min(float64(have.vcpus), v.cpus) * v.mhzPerCore,
			Previous: previous(have, v, amount, len(views), of), Fixed: !v.answers,
		}
	}
	if parts, ok := held(pool, amount, views, demands); ok {
		return parts
	}
	return Divide(amount, demands)
}

// held is the division that there is, as long as nobody has measured what machines use, which is when center has just started.
func held(pool Pool, amount uint64, views []*view, demands []Demand) (parts []uint64, ok bool) {
	var sum uint64
	for i, v := range views {
		have := v.pool(pool.Path)
		ok = ok || v.answers && have.machines > 0 && len(have.samples) < 2
		if demands[i].Previous == 0 {
			return nil, false
		}
		parts = append(parts, demands[i].Previous)
		sum += demands[i].Previous
	}
	return parts, ok && sum <= amount
}

func divideMemory(pool Pool, amount uint64, views []*view, of func(*hostv1.Pool) uint64) []uint64 {
	spaces := make([]Space, len(views))
	for i, v := range views {
		have := v.pool(pool.Path)
		spaces[i] = Space{
			Reserved: have.reserved, Used: have.rss, Wanted: have.wants,
			Previous: previous(have, v, amount, len(views), of), Fixed: !v.answers,
		}
	}
	return DivideMemory(amount, spaces)
}

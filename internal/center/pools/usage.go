package pools

import (
	"maps"
	"slices"
)

// Usage of a pool as the hosts' cgroups count it, on one host or on all together.
type Usage struct {
	// CPUMHz on average of the last ten seconds.
	CPUMHz float64
	// MemoryBytes is what the machines have of the hosts' memory, page cache of their disks included; of that WorkingSetBytes were used lately.
	MemoryBytes, WorkingSetBytes uint64
	Machines                     int
	// Silent hosts do not answer, and do not count.
	Silent []string
}

// Usage of a pool on all hosts.
func (p *Pools) Usage(path string) Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum Usage
	for _, id := range slices.Sorted(maps.Keys(p.hosts)) {
		v := p.hosts[id]
		if !v.answers {
			sum.Silent = append(sum.Silent, id)
			continue
		}
		on := v.usage(path)
		sum.CPUMHz += on.CPUMHz
		sum.MemoryBytes += on.MemoryBytes
		sum.WorkingSetBytes += on.WorkingSetBytes
		sum.Machines += on.Machines
	}
	return sum
}

func (v *view) usage(path string) Usage {
	t := v.pool(path)
	return Usage{CPUMHz: t.average(v.mhzPerCore), MemoryBytes: t.memory, WorkingSetBytes: t.working, Machines: int(t.machines)}
}

// Part of a pool on one host.
type Part struct {
	Host string // id
	// Limits of the host's part; nil for none.
	CPUMHz, MemoryBytes *uint64
	Usage               Usage
}

// Parts of a pool, by host.
func (p *Pools) Parts(path string) []Part {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Part
	for _, id := range slices.Sorted(maps.Keys(p.hosts)) {
		v := p.hosts[id]
		if t := v.pools[path]; t != nil {
			all = append(all, Part{Host: id, CPUMHz: t.wanted.CpuLimitMhz, MemoryBytes: t.wanted.MemoryLimitBytes, Usage: v.usage(path)})
		}
	}
	return all
}

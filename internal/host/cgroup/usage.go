package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
)

// Usage of processors and memory by a group and the groups below it, as the kernel accounts it.
type Usage struct {
	CPUNanoseconds uint64
	MemoryBytes    uint64
	WorkingSet     uint64 // bytes of memory without file pages that were not used lately
	RSS            uint64 // bytes of anonymous memory
	// Periods of a limit of processor time that the group ran in, and those in which it used it up.
	Periods, ThrottledPeriods uint64
}

// Usage of the group of a machine or a pool.
func (t *Tree) Usage(path string) (Usage, error) {
	group, err := manager.New(&cgroups.Cgroup{Path: path, Resources: &cgroups.Resources{SkipDevices: true}})
	if err != nil {
		return Usage{}, fmt.Errorf("cgroup %s: %w", path, err)
	}
	// The manager's own test looks at the hierarchy of devices, which machines are not in.
	if !cgroups.PathExists(group.Path("memory")) {
		return Usage{}, fmt.Errorf("cgroup %s: %w", path, fs.ErrNotExist)
	}
	stats, err := group.GetStats()
	if err != nil {
		return Usage{}, fmt.Errorf("read cgroup %s: %w", path, err)
	}
	return usageOf(stats), nil
}

// Total is the usage of all machines. Machines that are gone keep their share of the processor time, until the parent
// group goes with the last of them.
func (t *Tree) Total() (Usage, error) {
	usage, err := t.Usage(t.parent)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrNotExist) {
		return Usage{}, nil
	}
	return usage, err
}

// usageOf reads the names of both versions: in version 1 the sums over the groups below have a prefix.
func usageOf(s *cgroups.Stats) Usage {
	memory := s.MemoryStats
	inactive := cmp.Or(memory.Stats["total_inactive_file"], memory.Stats["inactive_file"])
	return Usage{
		CPUNanoseconds: s.CpuStats.CpuUsage.TotalUsage,
		MemoryBytes:    memory.Usage.Usage,
		WorkingSet:     memory.Usage.Usage - min(inactive, memory.Usage.Usage),
		RSS:            cmp.Or(memory.Stats["total_rss"], memory.Stats["anon"]),
		Periods:        s.CpuStats.ThrottlingData.Periods, ThrottledPeriods: s.CpuStats.ThrottlingData.ThrottledPeriods,
	}
}

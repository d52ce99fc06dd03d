package runtime

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
)

// Stats are a container's counters.
type Stats struct {
	CPUNanoseconds, CPUUser, CPUSystem       uint64
	Periods, ThrottledPeriods, ThrottledTime uint64
	Memory                                   uint64
	MaxMemory                                uint64
	WorkingSet                               uint64 // memory without file pages that were not used lately
	RSS, Cache, MappedFile                   uint64
	PageFaults, MajorPageFaults              uint64
	OOMEvents                                uint64
	PIDs                                     uint64
}

// Stats of the container.
func (c *Container) Stats() (Stats, error) {
	s, err := c.c.Stats()
	if err != nil {
		return Stats{}, err
	}
	out := statsOf(s.CgroupStats)
	out.OOMEvents = c.oomKills()
	return out, nil
}

// statsOf reads the names of version 2.
func statsOf(s *cgroups.Stats) Stats {
	cpu, m := s.CpuStats, s.MemoryStats
	return Stats{
		CPUNanoseconds: cpu.CpuUsage.TotalUsage, CPUUser: cpu.CpuUsage.UsageInUsermode, CPUSystem: cpu.CpuUsage.UsageInKernelmode,
		Periods: cpu.ThrottlingData.Periods, ThrottledPeriods: cpu.ThrottlingData.ThrottledPeriods, ThrottledTime: cpu.ThrottlingData.ThrottledTime,
		Memory: m.Usage.Usage, MaxMemory: m.Usage.MaxUsage,
		WorkingSet: m.Usage.Usage - min(m.Stats["inactive_file"], m.Usage.Usage),
		RSS:        m.Stats["anon"], Cache: cmp.Or(m.Stats["file"], m.Cache), MappedFile: m.Stats["file_mapped"],
		PageFaults: m.Stats["pgfault"], MajorPageFaults: m.Stats["pgmajfault"],
		PIDs: s.PidsStats.Current,
	}
}

// OOMKilled tells whether the kernel ended processes of the container for lack of memory. Ask it before Destroy.
func (c *Container) OOMKilled() bool { return c.oomKills() > 0 }

func (c *Container) oomKills() uint64 {
	state, err := c.c.State()
	if err != nil {
		return 0
	}
	f, err := os.Open(filepath.Join(state.CgroupPaths[""], "memory.events"))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseUint(value, 10, 64); name == "oom_kill" && err == nil {
			return n
		}
	}
	return 0
}

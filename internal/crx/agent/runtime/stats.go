package runtime

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Stats are a container's counters.
type Stats struct {
	CPUNanoseconds uint64
	Memory         uint64
	WorkingSet     uint64 // memory without file pages that were not used lately
	RSS            uint64
	PIDs           uint64
}

// Stats of the container.
func (c *Container) Stats() (Stats, error) {
	s, err := c.c.Stats()
	if err != nil {
		return Stats{}, err
	}
	m := s.CgroupStats.MemoryStats
	return Stats{
		CPUNanoseconds: s.CgroupStats.CpuStats.CpuUsage.TotalUsage,
		Memory:         m.Usage.Usage,
		WorkingSet:     m.Usage.Usage - min(m.Stats["inactive_file"], m.Usage.Usage),
		RSS:            m.Stats["anon"],
		PIDs:           s.CgroupStats.PidsStats.Current,
	}, nil
}

// OOMKilled tells whether the kernel ended processes of the container for lack of memory. Ask it before Destroy.
func (c *Container) OOMKilled() bool {
	state, err := c.c.State()
	if err != nil {
		return false
	}
	f, err := os.Open(filepath.Join(state.CgroupPaths[""], "memory.events"))
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseUint(value, 10, 64); name == "oom_kill" && err == nil {
			return n > 0
		}
	}
	return false
}

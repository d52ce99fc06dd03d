package agent

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/crx/agent/network"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func (p *pod) stats() *agentv1.StatsResponse {
	out := &agentv1.StatsResponse{At: timestamppb.Now()}
	out.NetworkRxBytes, out.NetworkTxBytes = network.Counters()
	var s unix.Statfs_t
	if err := unix.Statfs(ephemeralDir, &s); err == nil {
		out.EphemeralCapacityBytes = s.Blocks * uint64(s.Bsize)
		out.EphemeralUsedBytes = (s.Blocks - s.Bfree) * uint64(s.Bsize)
	}
	for _, i := range p.running() {
		counters, err := i.container.Stats()
		if err != nil {
			continue // it is ending
		}
		out.Containers = append(out.Containers, &agentv1.ContainerStats{
			Name:                  i.spec.GetName(),
			CpuUsageNanoseconds:   counters.CPUNanoseconds,
			MemoryUsageBytes:      counters.Memory,
			MemoryWorkingSetBytes: counters.WorkingSet,
			MemoryRssBytes:        counters.RSS,
			Pids:                  counters.PIDs,
			RootfsUsedBytes:       diskUsage(i.root.Upper()),
			LogsUsedBytes:         diskUsage(filepath.Dir(logPath(i.spec.GetName(), 0))),
		})
	}
	return out
}

func (p *pod) running() []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*instance
	for _, name := range p.order {
		if i := p.instances[name]; i != nil {
			all = append(all, i)
		}
	}
	return all
}

// diskUsage is what a tree takes of its disk. What vanishes meanwhile is not counted.
func diskUsage(dir string) uint64 {
	var total uint64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if info, err := d.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				total += uint64(s.Blocks) * 512
			}
		}
		return nil
	})
	return total
}

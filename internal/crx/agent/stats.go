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

// stats are read when they are asked for, and only then. With storage, trees of files are walked through as well.
func (p *pod) stats(storage bool) *agentv1.StatsResponse {
	out := &agentv1.StatsResponse{At: timestamppb.Now(), Probes: p.probeCounts.list()}
	out.NetworkRxBytes, out.NetworkTxBytes = network.Counters()
	var s unix.Statfs_t
	if err := unix.Statfs(ephemeralDir, &s); err == nil {
		out.EphemeralCapacityBytes = s.Blocks * uint64(s.Bsize)
		out.EphemeralUsedBytes = (s.Blocks - s.Bfree) * uint64(s.Bsize)
		out.EphemeralInodes, out.EphemeralInodesFree = s.Files, s.Ffree
	}
	for _, i := range p.running() {
		if c := i.stats(storage); c != nil {
			out.Containers = append(out.Containers, c)
		}
	}
	if storage {
		out.Volumes = p.volumeStats()
	}
	return out
}

// stats of a container, nil if it is ending.
func (i *instance) stats(storage bool) *agentv1.ContainerStats {
	c, err := i.container.Stats()
	if err != nil {
		return nil
	}
	out := &agentv1.ContainerStats{
		Name:                    i.spec.GetName(),
		CpuUsageNanoseconds:     c.CPUNanoseconds,
		CpuUserNanoseconds:      c.CPUUser,
		CpuSystemNanoseconds:    c.CPUSystem,
		CpuPeriods:              c.Periods,
		CpuThrottledPeriods:     c.ThrottledPeriods,
		CpuThrottledNanoseconds: c.ThrottledTime,
		MemoryUsageBytes:        c.Memory,
		MemoryMaxUsageBytes:     c.MaxMemory,
		MemoryWorkingSetBytes:   c.WorkingSet,
		MemoryRssBytes:          c.RSS,
		MemoryCacheBytes:        c.Cache,
		MemoryMappedFileBytes:   c.MappedFile,
		MemoryPageFaults:        c.PageFaults,
		MemoryMajorPageFaults:   c.MajorPageFaults,
		OomEvents:               c.OOMEvents,
		Pids:                    c.PIDs,
	}
	if storage {
		out.RootfsUsedBytes, out.RootfsInodesUsed = treeUsage(i.root.Upper())
		out.LogsUsedBytes, out.LogsInodesUsed = treeUsage(filepath.Dir(logPath(i.spec.GetName(), 0)))
	}
	return out
}

// volumeStats of the volumes that hold data of the pod's own: emptyDirs and disks.
func (p *pod) volumeStats() []*agentv1.VolumeStats {
	var all []*agentv1.VolumeStats
	for _, v := range p.spec.GetVolumes() {
		if v.GetFiles() != nil {
			continue
		}
		path, err := filepath.EvalSymlinks(p.volumes.Path(v.GetName()))
		if err != nil {
			continue // it is not made yet
		}
		var s unix.Statfs_t
		if err := unix.Statfs(path, &s); err != nil {
			continue
		}
		stats := &agentv1.VolumeStats{
			Name: v.GetName(), CapacityBytes: s.Blocks * uint64(s.Bsize), AvailableBytes: s.Bavail * uint64(s.Bsize),
			Inodes: s.Files, InodesFree: s.Ffree,
		}
		if v.GetDisk() != nil {
			stats.UsedBytes, stats.InodesUsed = (s.Blocks-s.Bfree)*uint64(s.Bsize), s.Files-s.Ffree
		} else {
			stats.UsedBytes, stats.InodesUsed = treeUsage(path)
		}
		all = append(all, stats)
	}
	return all
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

// treeUsage is what a tree takes of its disk. What vanishes meanwhile is not counted.
func treeUsage(dir string) (bytes, inodes uint64) {
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if info, err := d.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				bytes, inodes = bytes+uint64(s.Blocks)*512, inodes+1
			}
		}
		return nil
	})
	return bytes, inodes
}

// diskUsage is the bytes of a tree.
func diskUsage(dir string) uint64 {
	bytes, _ := treeUsage(dir)
	return bytes
}

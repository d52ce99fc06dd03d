package machine

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/cgroup"
	"pacific/internal/host/port"
	"pacific/internal/host/vmm"
)

// Stats measures the active machines. Those that end meanwhile are left out. With disks each VMM is asked for its disks'
// traffic; one that does not answer has none.
func (m *Manager) Stats(ctx context.Context, disks bool) (*hostv1.GetStatsResponse, error) {
	traffic, err := port.Traffics()
	if err != nil {
		return nil, err
	}
	out := &hostv1.GetStatsResponse{}
	var asked sync.WaitGroup
	for _, a := range m.all() {
		record := a.snapshot()
		if !record.State.Phase.Active() {
			continue
		}
		usage, err := m.usage(record)
		if err != nil {
			continue // it is just starting or ending
		}
		stats := &hostv1.MachineStats{Id: a.id, Usage: usageMessage(usage), Ports: portTraffic(record.Spec, traffic)}
		out.Machines = append(out.Machines, stats)
		if disks {
			asked.Go(func() { stats.Disks = a.diskTraffic(ctx, record.State.Disks) })
		}
	}
	asked.Wait()
	// The whole after its parts, so that it is not less.
	total, err := m.Cgroups.Total()
	if err != nil {
		return nil, err
	}
	total.CPUNanoseconds = m.spent.add(total.CPUNanoseconds)
	out.At, out.MachinesTotal, out.Daemon = timestamppb.Now(), usageMessage(total), ownUsage()
	out.Pools = m.Pools.List(m.Members())
	return out, nil
}

// usage of a machine. What a standby machine took in memory is accounted to its own group for ever; the processor time of its
// rehearsal is not this machine's.
func (m *Manager) usage(r Record) (cgroup.Usage, error) {
	usage, err := m.Cgroups.Usage(m.Cgroups.Path(r.Spec.GetResourcePool(), r.Spec.GetId()))
	if err != nil || r.State.Standby == "" {
		return usage, err
	}
	before, err := m.Cgroups.Usage(m.Cgroups.Standby(r.State.Standby))
	usage.MemoryBytes += before.MemoryBytes
	usage.WorkingSet += before.WorkingSet
	usage.RSS += before.RSS
	return usage, err
}

// diskTraffic asks the VMM without the actor, which may be busy with a slow action.
func (a *actor) diskTraffic(ctx context.Context, disks []Disk) []*hostv1.DiskTraffic {
	a.mu.Lock()
	conn := a.observed
	a.mu.Unlock()
	counter, ok := conn.(vmm.DiskCounter)
	if !ok {
		return nil
	}
	counters, err := counter.DiskCounters(ctx)
	if err != nil {
		slog.Debug("disks are not counted", "machine", a.id, "err", err)
		return nil
	}
	var all []*hostv1.DiskTraffic
	for _, d := range disks {
		if c, ok := counters[d.LUN]; ok {
			all = append(all, &hostv1.DiskTraffic{
				DiskId: d.ID, ReadBytes: c.ReadBytes, WrittenBytes: c.WrittenBytes, Reads: c.Reads, Writes: c.Writes, Flushes: c.Flushes,
			})
		}
	}
	return all
}

func portTraffic(spec *hostv1.VirtualMachineSpec, traffic map[string]port.Traffic) []*hostv1.PortTraffic {
	var all []*hostv1.PortTraffic
	for i, p := range spec.GetPorts() {
		if t, ok := traffic[portName(spec, i)]; ok {
			all = append(all, &hostv1.PortTraffic{
				Name: p.GetName(), ReceivedBytes: t.ReceivedBytes, SentBytes: t.SentBytes,
				ReceivedPackets: t.ReceivedPackets, SentPackets: t.SentPackets,
				ReceivedDropped: t.ReceivedDropped, SentDropped: t.SentDropped,
			})
		}
	}
	return all
}

func usageMessage(u cgroup.Usage) *hostv1.Usage {
	return &hostv1.Usage{
		CpuNanoseconds: u.CPUNanoseconds, MemoryBytes: u.MemoryBytes, MemoryWorkingSetBytes: u.WorkingSet, MemoryRssBytes: u.RSS,
	}
}

// ownUsage is hostd's. It need not have a cgroup of its own.
func ownUsage() *hostv1.Usage {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return &hostv1.Usage{}
	}
	rss := residentBytes()
	return &hostv1.Usage{
		CpuNanoseconds: uint64(usage.Utime.Nano() + usage.Stime.Nano()),
		MemoryBytes:    rss, MemoryWorkingSetBytes: rss, MemoryRssBytes: rss,
	}
}

// residentBytes reads the second field of /proc/self/statm, in pages. See proc_pid_statm(5).
func residentBytes() uint64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// meter goes on counting where the kernel begins anew, as it does when the parent cgroup went with its last machine.
type meter struct {
	mu         sync.Mutex
	base, last uint64
}

// add takes the kernel's value and returns the sum over all beginnings.
func (c *meter) add(value uint64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value < c.last {
		c.base += c.last
	}
	c.last = value
	return c.base + value
}

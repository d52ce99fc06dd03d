package center

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/hosts"
	placementfleet "pacific/internal/center/placement/fleet"
	"pacific/internal/center/wcp"
)

// fleet is what the Workload Platform Service sees of hosts.
type fleet struct{ hosts *hosts.Hosts }

// of are the hosts of a cluster, in the order of their names.
func (f *fleet) of(ctx context.Context, cluster string) ([]hosts.Host, error) {
	all, err := f.hosts.List(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(h hosts.Host) bool { return h.Cluster != cluster })
	slices.SortFunc(all, func(a, b hosts.Host) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// Hosts implements [wcp.Fleet].
func (f *fleet) Hosts(ctx context.Context, cluster string) ([]wcp.Host, error) {
	all, err := f.of(ctx, cluster)
	if err != nil {
		return nil, err
	}
	list := make([]wcp.Host, 0, len(all))
	for _, h := range all {
		host := seen(h)
		host.Room = placementfleet.Room(h, f.hosts.Report(h.ID).GetFacts())
		list = append(list, host)
	}
	return list, nil
}

func seen(h hosts.Host) wcp.Host {
	host := wcp.Host{Name: h.Name, KVM: h.Facts.Accelerator == "kvm"}
	if !h.Lost.IsZero() {
		host.Lost = time.Since(h.Lost)
	}
	switch state, message := h.State(); state {
	case hosts.Connected:
	case hosts.Maintenance:
		host.Unfit = "in maintenance"
	default:
		host.Unfit = message
	}
	return host
}

// Nodes implements [wcp.Fleet]. Of a host that has not reported to this center yet, it is taken for granted.
func (f *fleet) Nodes(ctx context.Context, cluster string) ([]string, error) {
	all, err := f.of(ctx, cluster)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, h := range all {
		report := f.hosts.Report(h.ID)
		if report == nil && h.Lost.IsZero() || slices.ContainsFunc(report.GetDaemons(), func(d *centerv1.Daemon) bool { return d.GetName() == "spherelet" }) {
			names = append(names, h.Name)
		}
	}
	return names, nil
}

// Stats implements [wcp.Fleet]. Hosts that do not answer count with what they can hold.
func (f *fleet) Stats(ctx context.Context, cluster string) (wcp.Stats, error) {
	all, err := f.of(ctx, cluster)
	if err != nil {
		return wcp.Stats{}, err
	}
	var stats wcp.Stats
	for _, h := range all {
		stats.CPUCapacity += int64(h.Facts.CPUs) * int64(h.Facts.CPUMHz)
		stats.MemoryCapacity += int64(h.Facts.MemoryBytes >> 20)
		stats.StorageCapacity += int64(h.Facts.StorageBytes >> 20)
		if now := f.hosts.Report(h.ID).GetFacts(); now != nil {
			stats.MemoryUsed += int64(now.GetMemoryUsedBytes() >> 20)
			stats.StorageUsed += int64((now.GetStorageBytes() - now.GetStorageFreeBytes()) >> 20)
		}
	}
	return stats, nil
}

// report of a host by its name.
func (f *fleet) report(ctx context.Context, name string) (*centerv1.Report, error) {
	h, err := f.hosts.Find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("host %s: %w", name, err)
	}
	report := f.hosts.Report(h.ID)
	if report == nil {
		return nil, fmt.Errorf("host %s has not reported yet", name)
	}
	return report, nil
}

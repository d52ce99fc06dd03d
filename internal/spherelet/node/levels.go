package node

import (
	"cmp"
	"slices"

	v1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/spherelet/eviction"
)

// levels of what may run out. The memory that pods can still get is the least of what the machines may have beyond what
// they use and of what the host itself has: several hosts may share one, or something else on it may need much.
func levels(host *hostv1.GetHostResponse, hostAvailable uint64, processes eviction.Level) map[eviction.Signal]eviction.Level {
	out := map[eviction.Signal]eviction.Level{}
	if processes.Capacity > 0 {
		out[eviction.PIDAvailable] = processes
	}
	if host == nil {
		return out
	}
	if host.MemoryBytes > 0 {
		left := int64(host.MemoryBytes) - int64(host.MemoryUsedBytes)
		if hostAvailable > 0 {
			left = min(left, int64(hostAvailable))
		}
		out[eviction.MemoryAvailable] = eviction.Level{Available: left, Capacity: int64(host.MemoryBytes)}
	}
	if host.StorageBytes > 0 {
		out[eviction.NodeFSAvailable] = eviction.Level{Available: int64(host.StorageFreeBytes), Capacity: int64(host.StorageBytes)}
	}
	if host.StorageInodes > 0 { // some file systems have no fixed number
		out[eviction.NodeFSInodes] = eviction.Level{Available: int64(host.StorageFreeInodes), Capacity: int64(host.StorageInodes)}
	}
	return out
}

// The kubelet's bounds of the list of images in the node's status.
const maxImages, maxNames = 50, 5

// images are the largest that the host has; the scheduler likes nodes that have a pod's images.
func images(list []*hostv1.Image) []v1.ContainerImage {
	var out []v1.ContainerImage
	for _, image := range list {
		names := slices.Clone(image.References)
		slices.Sort(names)
		if len(names) == 0 {
			names = []string{image.Digest}
		}
		out = append(out, v1.ContainerImage{Names: names[:min(len(names), maxNames)], SizeBytes: int64(image.SizeBytes)})
	}
	slices.SortFunc(out, func(a, b v1.ContainerImage) int {
		return cmp.Or(cmp.Compare(b.SizeBytes, a.SizeBytes), cmp.Compare(a.Names[0], b.Names[0]))
	})
	return out[:min(len(out), maxImages)]
}

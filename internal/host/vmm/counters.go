package vmm

import "context"

// DiskCounter is a Connection that counts the traffic of disks.
type DiskCounter interface {
	// DiskCounters of the plugged disks, since each was plugged, by LUN.
	DiskCounters(context.Context) (map[int]DiskCounters, error)
}

// DiskCounters of one disk.
type DiskCounters struct {
	ReadBytes, WrittenBytes uint64
	Reads, Writes, Flushes  uint64
}

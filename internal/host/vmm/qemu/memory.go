package qemu

// vmmOverhead is what QEMU takes beside the guest's memory and the translation cache: its own code and heap, device state,
// the copy of kernel and initial root file system that it boots from (about 40 MiB), buffers of disk requests in flight.
// A CRX was seen to take 70 MiB; the rest is reserve, since the limit is there to contain a VMM that runs amok.
const vmmOverhead = 192 << 20

// MemoryLimit is what the VMM of a guest with this memory may use at most. Page cache of the disks counts too, but the kernel takes
// that back before it kills.
func MemoryLimit(guest uint64, directKernel bool) uint64 {
	cache := uint64(systemCache)
	if directKernel {
		cache = standbyCache // the machine may be one
	}
	return guest + guest/32 + cache + vmmOverhead
}

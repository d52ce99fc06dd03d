// Package template keeps booted machines to be copied: a template is a CRX whose personality waits for work, saved with its
// memory, so that a machine of the same class starts where the template was stopped, in place of booting. See
// docs/instant-clone.md.
package template

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"pacific/internal/host/vmm"
)

// Class is what machines have in common that can be clones of one template.
type Class struct {
	Personality string `json:"personality"`
	VCPUs       uint32 `json:"vcpus"`
	MemoryBytes uint64 `json:"memoryBytes"` // a SizeClass
	Ports       int    `json:"ports"`
}

func (c Class) String() string {
	return fmt.Sprintf("%s, %d vCPU, %d MiB, %d ports", c.Personality, c.VCPUs, c.MemoryBytes>>20, c.Ports)
}

// ParseClass reads PERSONALITY:VCPUS:MEBIBYTES:PORTS, e.g. "agent:1:352:1".
func ParseClass(text string) (Class, error) {
	fields := strings.Split(text, ":")
	if len(fields) != 4 || fields[0] == "" {
		return Class{}, fmt.Errorf("%q is not of the form PERSONALITY:VCPUS:MEBIBYTES:PORTS", text)
	}
	var numbers [3]uint32
	for i, field := range fields[1:] {
		n, err := strconv.ParseUint(field, 10, 32)
		if err != nil || n == 0 && i < 2 {
			return Class{}, fmt.Errorf("%q: %q is no number that is possible there", text, field)
		}
		numbers[i] = uint32(n)
	}
	return Class{Personality: fields[0], VCPUs: numbers[0], MemoryBytes: SizeClass(uint64(numbers[1]) << 20), Ports: int(numbers[2])}, nil
}

// smallestStep between two size classes.
const smallestStep = 32 << 20

// SizeClass rounds a size of memory up, by less than an eighth or 32 MiB, so that machines of about the same size share a
// template. Memory that a guest never touches costs nothing.
func SizeClass(bytes uint64) uint64 {
	step := uint64(smallestStep)
	if bytes > 0 {
		step = max(step, 1<<(bits.Len64(bytes)-1)/8)
	}
	return (bytes + step - 1) / step * step
}

// Key is all that a template depends on. A machine can be cloned from a template with the same key, and from no other.
type Key struct {
	Class Class `json:"class"`
	// Kernel and Initrd by content: the personality and PID 1 are in the latter.
	Kernel string `json:"kernel"`
	Initrd string `json:"initrd"`
	// VMM by version, with the accelerator, since both define the devices and the processor that a guest has seen.
	VMM         string          `json:"vmm"`
	Accelerator vmm.Accelerator `json:"accelerator"`
	// HostBoot is the boot of the host: the guest's kernel has measured the host's clock, and the processor may be another one
	// after the next.
	HostBoot string `json:"hostBoot"`
	// Layout is the version of what hostd makes of all this.
	Layout int `json:"layout"`
}

// layout changes whenever the VMM's command line or the kernel's does.
const layout = 2

// ID of the template with this key: a file name.
func (k Key) ID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", k))
	return hex.EncodeToString(sum[:8])
}

package qemu

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"pacific/api/crx"
	"pacific/internal/host/vmm"
)

// MaxConsole is the size of the ring buffer that keeps the guest's console.
const MaxConsole = 64 << 10

// Bounds of the memory that TCG takes for translated code. What a pod's start runs takes 58 MiB, nearly all of it for once. So a CRX
// has room for all of it where it can be made to give that back afterwards; where not, 26 do: to translate again what did not stay makes
// the start of a clone half as long again. A standby machine keeps what it rehearsed, which is what it waits for, and what a program adds
// must not overflow it: a full cache is emptied as a whole. A whole guest system has a larger working set.
const (
	crxCache     = 26 << 20
	standbyCache = 96 << 20
	systemCache  = 256 << 20
)

func translationCache(m vmm.Machine, trims bool) uint64 {
	switch {
	case m.Kernel == nil || m.System:
		return systemCache
	case m.Standby || trims:
		return standbyCache
	}
	return crxCache
}

// trimmable tells whether the plugin tcgtrim works on a machine: QEMU calls no plugin where virtual processors take turns.
func trimmable(m vmm.Machine) bool {
	return m.Accelerator == vmm.TCG && m.Kernel != nil && !m.System && m.VCPUs == 1
}

// descriptors are the files that the process inherits, by number.
type descriptors struct {
	qmp, init, personality int
	taps                   []int
	memory                 int
	console                int
}

// arguments is QEMU's command line for a machine. plugin is the path of tcgtrim.so, "" for none.
func arguments(m vmm.Machine, fd descriptors, plugin string) []string {
	args := []string{
		"-name", "guest=" + m.ID + ",debug-threads=on",
		"-nodefaults", "-no-user-config", "-display", "none",
		// The guest is held until its disks are plugged.
		"-S",
		"-m", fmt.Sprintf("%dM", m.MemoryBytes>>20),
		"-smp", fmt.Sprintf("cpus=%d", m.VCPUs),
		"-rtc", "base=utc",
	}
	args = append(args, memory(m, fd)...)
	args = append(args, accelerator(m, plugin)...)
	args = append(args, confinement(m)...)
	args = append(args,
		"-chardev", fmt.Sprintf("socket,id=qmp,fd=%d,server=on,wait=off", fd.qmp),
		"-mon", "chardev=qmp,mode=control",
		"-chardev", console(m, fd),
		"-serial", "chardev:console",
		// QEMU's own generator needs no device node, so it works in the empty chroot.
		"-object", "rng-builtin,id=rng")
	if m.Kernel != nil {
		return append(args, microvm(m, fd)...)
	}
	return append(args, q35(m, fd)...)
}

// console is a ring buffer, or a file, which is opened anew for appending before QEMU changes its root.
func console(m vmm.Machine, fd descriptors) string {
	if m.Console == nil {
		return fmt.Sprintf("ringbuf,id=console,size=%d", MaxConsole)
	}
	return fmt.Sprintf("file,id=console,path=/proc/self/fd/%d,append=on", fd.console)
}

func accelerator(m vmm.Machine, plugin string) []string {
	if m.Accelerator == vmm.KVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	cache := translationCache(m, plugin != "") >> 20
	// The kernel rewrites its own code while it runs (jump labels, static calls). Emulated CPUs in threads of their own now
	// and then run half of a rewrite, and the guest panics with "int3"; CPUs that take turns cannot.
	threads := "multi"
	if m.VCPUs > 1 {
		threads = "single"
	}
	// la57 off: five levels of page tables make every TLB miss of an emulated guest dearer. erms off: the guest's kernel would clear and copy
	// pages with rep stosb and movsb, fast on a processor; emulated they go byte by byte.
	args := []string{"-accel", fmt.Sprintf("tcg,thread=%s,tb-size=%d", threads, cache), "-cpu", "max,la57=off,erms=off"}
	if plugin != "" {
		args = append(args, "-plugin", plugin)
	}
	return args
}

// memory in a file. QEMU opens it for writing even to map it privately, and keeps it open, so a file that machines share must be
// sealed. The path leads through /proc, since the file has no name; it is used before QEMU changes its root.
func memory(m vmm.Machine, fd descriptors) []string {
	if m.Memory == nil {
		return nil
	}
	share := "on"
	if m.Memory.Clone {
		share = "off"
	}
	args := []string{"-object", fmt.Sprintf("memory-backend-file,id=%s,size=%d,mem-path=/proc/self/fd/%d,share=%s", memoryID, m.MemoryBytes, fd.memory, share)}
	if m.Memory.Clone {
		args = append(args, "-incoming", "defer")
	}
	return args
}

// memoryID is the block of memory's name in a saved state too, so it must not change between a template and its clones.
const memoryID = "memory"

// confinement of the process: a user of its own, an empty root, no new privileges, no new processes. It takes effect after
// the machine is built from trusted files and before the first disk and the first instruction of the guest.
//
// elevateprivileges stays at allow, since it forbids the very calls that change to that user (QEMU's filter comes first).
// Nothing is lost: without capabilities those calls fail, and the filter itself sets no_new_privs.
func confinement(m vmm.Machine) []string {
	id := strconv.FormatUint(uint64(m.UID), 10)
	return []string{
		"-runas", id + ":" + id,
		"-chroot", RootDir(m.Dir),
		"-sandbox", "on,obsolete=deny,elevateprivileges=allow,spawn=deny,resourcecontrol=deny",
	}
}

// RootDir is the empty directory that QEMU has as its root.
func RootDir(dir string) string { return filepath.Join(dir, "root") }

// microvm has no firmware, no PCI and, but for kernels that need it, no ACPI. So the guest powers off by a triple fault,
// which is a reboot to QEMU: reboot=shutdown makes that an end, and shutdown=pause keeps the VMM to be asked why.
func microvm(m vmm.Machine, fd descriptors) []string {
	machine := "microvm,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,dump-guest-core=off,acpi=off"
	if m.Kernel.ACPI {
		machine = strings.TrimSuffix(machine, "off") + "on"
	}
	if m.Memory != nil {
		machine += ",memory-backend=" + memoryID
	}
	args := []string{
		"-machine", machine,
		"-global", "virtio-mmio.force-legacy=false",
		"-action", "reboot=shutdown,shutdown=pause,panic=pause",
	}
	// A clone has both in its memory, where they have done their work: QEMU's copies would only take room.
	if m.Memory == nil || !m.Memory.Clone {
		args = append(args, "-kernel", m.Kernel.Image, "-initrd", m.Kernel.Initrd, "-append", m.Kernel.CommandLine)
	}
	args = append(args,
		"-device", "virtio-rng-device,rng=rng",
		"-device", "virtio-scsi-device,id=scsi",
		"-device", "virtio-serial-device,id=serial,max_ports=3",
		"-chardev", fmt.Sprintf("socket,id=init,fd=%d,server=on,wait=off", fd.init),
		"-device", "virtserialport,bus=serial.0,nr=1,chardev=init,name="+crx.InitPort,
		"-chardev", fmt.Sprintf("socket,id=personality,fd=%d,server=on,wait=off", fd.personality),
		"-device", "virtserialport,bus=serial.0,nr=2,chardev=personality,name="+crx.PersonalityPort)
	return append(args, ports(m, fd, "virtio-net-device")...)
}

// q35 is an ordinary machine: firmware, ACPI, PCI. It may reboot itself.
func q35(m vmm.Machine, fd descriptors) []string {
	args := []string{
		"-machine", "q35,usb=off,vmport=off,smm=off,dump-guest-core=off",
		"-action", "reboot=reset,shutdown=pause,panic=pause",
		"-device", "virtio-rng-pci,rng=rng",
		"-device", "virtio-scsi-pci,id=scsi",
	}
	if m.Firmware == "uefi" {
		args = append(args, "-bios", FirmwareUEFI)
	}
	return append(args, ports(m, fd, "virtio-net-pci,romfile=")...)
}

func ports(m vmm.Machine, fd descriptors, device string) []string {
	var args []string
	for i, port := range m.Ports {
		args = append(args,
			"-netdev", fmt.Sprintf("tap,id=net%d,fd=%d", i, fd.taps[i]),
			"-device", fmt.Sprintf("%s,id=nic%d,netdev=net%d,mac=%s", device, i, i, port.MAC))
	}
	return args
}

// FirmwareUEFI is the firmware of Debian's package ovmf, without a store for variables.
const FirmwareUEFI = "/usr/share/ovmf/OVMF.fd"

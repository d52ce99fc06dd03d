// Package vmm is what hostd needs of a virtual machine monitor. The implementation is in vmm/qemu.
//
// A VMM is a process of its own, in its own session, that outlives hostd. So nothing here is tied to the life of hostd:
// Launch returns a process, Connect takes control of one, now or after hostd was restarted.
//
//	Launch -> process, guest held -> Connect -> Plug disks -> Run -> guest runs -> Ended -> Quit -> process gone
//
// A guest that has ended leaves its VMM paused, so that whoever is in control, however late, can ask why, before Quit.
package vmm

import (
	"context"
	"errors"
	"os"
)

// VMM starts VMM processes and finds them again. Errors of Launch hold what the VMM wrote to its standard error.
type VMM interface {
	// Launch starts the process of a machine, with the guest held before its first instruction. It returns as soon as the
	// process exists; Connect then waits until the VMM answers.
	Launch(Machine) (*Process, error)
	// Connect takes control of the VMM whose machine has the run directory dir. One connection at a time.
	Connect(ctx context.Context, dir string) (Connection, error)
	// Find looks through the host's processes for VMMs whose machines have their run directories in runDir.
	Find(runDir string) ([]Found, error)
	// Version of the VMM, e.g. "QEMU 7.2.22".
	Version(ctx context.Context) (string, error)
}

// Connection is control over one VMM.
type Connection interface {
	Disks
	Power
	Observer
	// Close gives up control and leaves the VMM as it is.
	Close() error
}

// Disks of a machine by LUN, plugged at any time. All calls are idempotent.
type Disks interface {
	Plug(context.Context, Disk) error
	Unplug(ctx context.Context, lun int) error
	Plugged(context.Context) ([]int, error)
}

// ErrState says that a VMM does not take a saved state.
var ErrState = errors.New("the VMM does not take the state")

// Snapshotter is a Connection that can write the state of a machine with a [Memory], and give it to another one.
type Snapshotter interface {
	// Save stops the guest for good and writes the state of its devices to the file.
	Save(context.Context, *os.File) error
	// Restore reads what Save wrote. The guest is held where it was stopped, until Run. It fails with ErrState when the state is at
	// fault.
	Restore(context.Context, *os.File) error
}

// Pauser is a Connection that can stop a guest where it is. Run lets it go on.
type Pauser interface {
	Pause(context.Context) error
}

// Power of a machine.
type Power interface {
	// Run lets a held guest go.
	Run(context.Context) error
	// PressButton asks the guest to power off by ACPI. A CRX has no ACPI; it is asked by PID 1.
	PressButton(context.Context) error
	// Quit ends the VMM process without asking the guest.
	Quit(context.Context) error
}

// Observer tells what the guest does.
type Observer interface {
	State(context.Context) (State, error)
	// Ended yields once, when the guest has ended by itself or the connection is lost (Cause Lost).
	Ended() <-chan Cause
	// Console returns what the guest wrote to its console since the last call, at most the last 64 KiB.
	Console(context.Context) (string, error)
}

// State of a guest.
type State struct {
	// Held before its first instruction, where its state was saved, or by Pause.
	Held bool
	// Ended is set when the guest has ended and the VMM waits for Quit.
	Ended Cause
}

// Cause of a guest's end as the VMM sees it.
type Cause string

// Causes.
const (
	Running  Cause = ""         // it did not end
	Reset    Cause = "reset"    // the guest reset itself; a CRX ends so
	Shutdown Cause = "shutdown" // the guest powered off
	Panic    Cause = "panic"    // the guest reported a panic to the VMM
	Internal Cause = "internal" // the VMM or the accelerator cannot go on
	Lost     Cause = "lost"     // the connection is lost; the process tells more
)

// Accelerator that runs guests.
type Accelerator string

// Accelerators.
const (
	KVM Accelerator = "kvm"
	TCG Accelerator = "tcg"
)

// Machine is the configuration of one machine. Disks are plugged later.
type Machine struct {
	ID string
	// Dir is the machine's run directory, which exists; the VMM's sockets and its log are made there.
	Dir         string
	Accelerator Accelerator
	VCPUs       uint32
	MemoryBytes uint64
	// UID is the user and group that the VMM runs as.
	UID uint32
	// Kernel is booted directly, in a small machine without firmware. Nil for a machine that boots from its first disk.
	Kernel *Kernel
	// Firmware, "bios" or "uefi", of a machine without Kernel.
	Firmware string
	Ports    []Port
	// Console is a file that the guest's console is appended to; nil for a buffer that [Observer] reads.
	Console *os.File
	// System says that a whole system runs in a machine with Kernel, and not one pod's containers.
	System bool
	// Memory is where the guest's memory lies; nil for memory that the VMM allocates.
	Memory *Memory
	// Standby says that the machine waits, so as to start faster with what its VMM has learned: that may take more memory.
	Standby bool
}

// Memory of a guest in a file, which has the guest's size. The VMM keeps a duplicate of File; the caller closes its own.
type Memory struct {
	File *os.File
	// Clone maps the file privately, so that what the guest writes stays with it, and waits for Restore in place of booting. Machine
	// and devices must be those of the saved one. Without it the guest writes to the file.
	Clone bool
}

// Kernel to boot directly.
type Kernel struct {
	Image, Initrd, CommandLine string
	// ACPI describes the devices to kernels that do not read of them on the command line.
	ACPI bool
}

// Port is a network interface on an open tap.
type Port struct {
	MAC string
	Tap *os.File
}

// CloseTaps closes the caller's own.
func CloseTaps(ports []Port) {
	for _, p := range ports {
		p.Tap.Close()
	}
}

// Disk is an open disk. The VMM keeps a duplicate of File; the caller closes its own.
type Disk struct {
	LUN      int
	File     *os.File
	ReadOnly bool
}

// Found is a VMM process on the host.
type Found struct {
	Process   Identity
	MachineID string
}

// Names of the files in a machine's run directory.
const (
	InitSocket        = "init"        // PID 1 of a CRX, api/crx
	PersonalitySocket = "personality" // internal/channel
	LogFile           = "vmm.log"     // the VMM's own words
)

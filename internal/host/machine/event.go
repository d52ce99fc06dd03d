package machine

import (
	"time"

	"pacific/api/crx"
	"pacific/internal/host/vmm"
)

// Event is something that happened to a machine.
type Event interface{ event() }

// What callers ask.
type (
	// Start the machine.
	Start struct{}
	// Stop the guest, and end the VMM when Grace is over.
	Stop struct {
		At    time.Time
		Grace time.Duration
	}
	// Destroy the machine.
	Destroy struct{ At time.Time }
	// Attach a disk; its LUN is chosen by Step.
	Attach struct{ Disk Disk }
	// Detach a disk.
	Detach struct{ ID string }
)

// What the host tells. Run is the run that the event belongs to.
type (
	// Launched : the VMM runs and the guest was let go.
	Launched struct {
		Run     uint32
		At      time.Time
		Process vmm.Identity
		// ImageVersion of a guest with an image.
		ImageVersion string
	}
	// Took : a standby machine was taken for this one, and nothing was done with it yet.
	Took struct {
		Run     uint32
		Standby string
	}
	// TakeOverFailed : the standby machine cannot become this one; parts of both may be left.
	TakeOverFailed struct{ Run uint32 }
	// LaunchFailed : there is no running guest; parts may be left.
	LaunchFailed struct {
		Run     uint32
		At      time.Time
		Message string
	}
	// Ready : PID 1 has started the personality.
	Ready struct {
		Run uint32
		At  time.Time
	}
	// Told : PID 1 says that the personality has ended. The guest's end follows.
	Told struct {
		Run    uint32
		Exited crx.Exited
	}
	// GuestEnded : the guest has ended, the VMM waits.
	GuestEnded struct {
		Run     uint32
		At      time.Time
		Cause   vmm.Cause
		Console string
	}
	// ProcessGone : the VMM has ended by itself.
	ProcessGone struct {
		Run         uint32
		At          time.Time
		Exit        vmm.Exit
		Log         string // the VMM's own words
		OutOfMemory bool
	}
	// GraceOver : the time is over that ends at Deadline.
	GraceOver struct{ At, Deadline time.Time }
	// StartDue : the time has come to start a machine again that has ended.
	StartDue struct{ At time.Time }
	// Unplugged : the VMM has given up the disk, or there is no VMM.
	Unplugged struct{ ID string }
	// Cleaned : nothing of the machine is left on the host but its files.
	Cleaned struct{}
	// Deleted : its files are gone too.
	Deleted struct{}
	// Restarted : hostd begins and has read the state.
	Restarted struct {
		At time.Time
		// Alive tells whether the machine's VMM runs.
		Alive bool
		// Rebooted tells whether the host was restarted meanwhile.
		Rebooted bool
	}
)

func (Start) event()          {}
func (Stop) event()           {}
func (Destroy) event()        {}
func (Attach) event()         {}
func (Detach) event()         {}
func (Launched) event()       {}
func (Took) event()           {}
func (TakeOverFailed) event() {}
func (LaunchFailed) event()   {}
func (Ready) event()          {}
func (Told) event()           {}
func (GuestEnded) event()     {}
func (ProcessGone) event()    {}
func (GraceOver) event()      {}
func (StartDue) event()       {}
func (Unplugged) event()      {}
func (Cleaned) event()        {}
func (Deleted) event()        {}
func (Restarted) event()      {}

// Action is something to do after a state was written. Every action can be taken again.
type Action interface{ action() }

// Actions, with the event that each leads to.
type (
	// Launch makes cgroup, taps and run directory, starts the VMM and lets the guest go: Launched or LaunchFailed. Or it takes a
	// standby machine: Took.
	Launch struct{ Run uint32 }
	// TakeOver makes the standby machine that was taken to this one: Launched or TakeOverFailed.
	TakeOver struct{ Run uint32 }
	// Adopt takes control of a VMM that an earlier hostd launched. Its guest's events follow, as after Launch.
	Adopt struct{ Run uint32 }
	// PowerOff asks the guest to power off.
	PowerOff struct{ Grace time.Duration }
	// Await leads to GraceOver at the time.
	Await struct{ Deadline time.Time }
	// AwaitStart leads to StartDue at the time.
	AwaitStart struct{ At time.Time }
	// Plug the disk into the VMM.
	Plug struct{ Disk Disk }
	// Unplug the disk from the VMM, if there is one: Unplugged.
	Unplug struct{ Disk Disk }
	// Clean ends the VMM and deletes cgroup, taps and run directory: Cleaned.
	Clean struct{}
	// Delete the machine's files and the disks that go with it: Deleted.
	Delete struct{}
)

func (Launch) action()     {}
func (TakeOver) action()   {}
func (Adopt) action()      {}
func (PowerOff) action()   {}
func (Await) action()      {}
func (AwaitStart) action() {}
func (Plug) action()       {}
func (Unplug) action()     {}
func (Clean) action()      {}
func (Delete) action()     {}

// Package machine runs the machines of a host and keeps them running over the death of hostd.
//
// A machine is a State and the pure function Step, which says for each event what the next state is and which actions
// follow. The new state is written to disk BEFORE the first of its actions is taken: whoever reads it after a crash knows
// what may exist on the host, and can finish or undo it.
//
//	           Start                Launched              Stop                  GuestEnded
//	created ----------> starting ------------> running ----------> stopping ------------------+
//	                     ^   |                    |    GraceOver / ProcessGone                 v
//	                     |   | LaunchFailed       +---------------------------------------> ending
//	                     |   +---------------------------------------------------------------> |
//	                     |                                                                     | Cleaned
//	                     +------------- Start ------------- stopped <-------------------------+
//	                                                           | Destroy
//	                                                           v
//	                                                       destroying -- Deleted --> gone
//
// In starting a standby machine may be taken: its name is written down, then it becomes this machine. If it does not, all is cleaned
// up and the launch begun again.
//
// One with Restart that has ended though it was wanted goes from stopped to starting by itself, when its time has come.
//
// Only in starting, running, stopping and ending may the machine have a VMM, a cgroup, taps and a run directory.
package machine

import (
	"slices"
	"time"

	"pacific/api/crx"
	"pacific/internal/host/vmm"
)

// Phase of a machine.
type Phase string

// Phases.
const (
	Created    Phase = "created"
	Starting   Phase = "starting"
	Running    Phase = "running"
	Stopping   Phase = "stopping"
	Ending     Phase = "ending"
	Stopped    Phase = "stopped"
	Destroying Phase = "destroying"
	Gone       Phase = "gone"
)

// Active tells whether the machine may have something on the host beside its files.
func (p Phase) Active() bool { return p == Starting || p == Running || p == Stopping || p == Ending }

// HoldsMemory tells whether the machine's reservation counts: also while it waits to be started again, which must not fail.
func (s State) HoldsMemory() bool { return s.Phase.Active() || !s.NextStart.IsZero() }

// up tells whether the guest runs.
func (p Phase) up() bool { return p == Running || p == Stopping }

// Goal is what the callers want of a machine.
type Goal string

// Goals.
const (
	WantStopped   Goal = "stopped"
	WantRunning   Goal = "running"
	WantDestroyed Goal = "destroyed"
)

// State is all that must be known of a machine after a crash, beside its specification.
type State struct {
	Phase Phase `json:"phase"`
	Goal  Goal  `json:"goal"`
	// Run counts the starts. Events of an earlier run are too late to matter.
	Run uint32 `json:"run"`
	// Standby is the machine that waited and was taken over in this run, "" for none. VMM and run directory have its name.
	Standby   string        `json:"standby,omitempty"`
	Process   *vmm.Identity `json:"process,omitempty"`
	StartedAt time.Time     `json:"startedAt,omitzero"`
	ReadyAt   time.Time     `json:"readyAt,omitzero"`
	// Restart starts a machine again that has ended though it was wanted. NextStart is when, zero while it is not to be started, and
	// Ends is how often it has ended soon after its start.
	Restart   bool      `json:"restart,omitempty"`
	NextStart time.Time `json:"nextStart,omitzero"`
	Ends      int       `json:"ends,omitempty"`
	// Deadline of the guest's power-off, in phase stopping.
	Deadline time.Time `json:"deadline,omitzero"`
	// Told is what PID 1 said of the personality's end in this run.
	Told     *crx.Exited `json:"told,omitempty"`
	LastExit *Exit       `json:"lastExit,omitempty"`
	// ImageVersion is that of the image that this run was started from.
	ImageVersion string `json:"imageVersion,omitempty"`
	Disks        []Disk `json:"disks,omitempty"`
}

// Disk is an attachment. Its LUN is its own as long as it is attached.
type Disk struct {
	ID                string `json:"id"`
	LUN               int    `json:"lun"`
	ReadOnly          bool   `json:"readOnly,omitempty"`
	DeleteWithMachine bool   `json:"deleteWithMachine,omitempty"`
	// Detaching is set before the VMM gives the disk up, and the attachment is deleted after.
	Detaching bool `json:"detaching,omitempty"`
}

// Exit is why the VMM ended.
type Exit struct {
	At       time.Time `json:"at"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message,omitempty"`
	ExitCode int       `json:"exitCode,omitempty"`
	Signal   int       `json:"signal,omitempty"`
}

// disk finds an attachment.
func (s State) disk(id string) (int, bool) {
	i := slices.IndexFunc(s.Disks, func(d Disk) bool { return d.ID == id })
	return i, i >= 0
}

// freeLUN is the lowest that no attachment has.
func (s State) freeLUN() int {
	for lun := 0; ; lun++ {
		if !slices.ContainsFunc(s.Disks, func(d Disk) bool { return d.LUN == lun }) {
			return lun
		}
	}
}

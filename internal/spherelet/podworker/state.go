package podworker

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// State is what is known of one pod, as far as decisions need it. It is filled from three sources of truth (the Pod object,
// hostd's machine, the agent's status), so that a spherelet that was killed comes to the same decisions again.
type State struct {
	Pod     PodFacts
	Machine MachineFacts
	Agent   AgentFacts

	Admission Admission
	// Resolved: the pod's configuration has no problems (ConfigMaps, Secrets and tokens are there).
	Resolved bool
	// Outdated: something has changed since the Resolve that is under way began.
	Outdated bool
	// Attached: hostd has attached the images' disks to the machine.
	Attached bool
	// HandedOver: the pod was given to an agent at some time, of this machine or an earlier one. Kept on disk.
	HandedOver bool
	// Ran: a container of the pod has been started at some time. With restartPolicy Never the pod then ends with its machine;
	// before, the machine is started again, as the kubelet does with a sandbox.
	Ran bool
	// SlotSince is since when the pod has one of the node's slots to start, zero without one.
	SlotSince time.Time
	// QueuedSince is since when it waits for one without its users having been told.
	QueuedSince time.Time
	// HoldForImages: an image failed, so there is no machine until all images are there.
	HoldForImages bool
	// Crashes in a row of the machine, for the back-off.
	Crashes int
	// Quiescing: since when the containers are asked to end, and the grace period of the last request.
	QuiesceSince time.Time
	StopSent     int64 // -1: not yet
	// Outcome is set once it is known how the pod ended by itself.
	Outcome Outcome
	// EvictGrace are the seconds that an evicted pod has to end.
	EvictGrace int64
	// LogsKept and FinalKept: the logs and the last status are on this host's disk.
	LogsKept, FinalKept bool
	// ScratchKept: what the pod leaves in scratch directories was taken in.
	ScratchKept bool
	// Released is when the API server was last told that the object may go. Only its watch tells that it has gone.
	Released time.Time

	pending map[Kind]bool
	retries map[Kind]retry

	// version counts the changes of what the pod is made of; given is that which the agent has, giving that which is on
	// its way to it.
	version, given, giving int
	attachAgain            bool // there are other images since the Attach that is under way began
}

// PodFacts are taken from the Pod object.
type PodFacts struct {
	Gone         bool // there is no such object any more
	Deleting     bool
	GraceSeconds int64
	Terminal     bool // its phase was Succeeded or Failed when this spherelet first saw it
	Images       ImagesState
	Digests      string // of the images that are there
	Revision     string // of what the pod is configured by: its spec, and of its metadata what it uses
	Resize       bool   // its resources are not those that were decided on
	Network      bool   // the port is programmed
	Never        bool   // restartPolicy
	Scratch      bool   // it has scratch directories
	Ran          bool   // its status has a container that was started
	Deadline     time.Time
	StopGrace    int64 // the pod's own grace period, for an end that nobody asked for
}

// ImagesState is the state of all images of the pod together.
type ImagesState int

// Images are pending while at least one is being pulled, failed when one cannot be pulled.
const (
	ImagesPending ImagesState = iota
	ImagesFailed
	ImagesReady
)

// MachineFacts are taken from hostd.
type MachineFacts struct {
	Known   bool // hostd's view is complete
	Exists  bool
	Phase   Phase
	Starts  int
	Started time.Time
	Exited  time.Time
}

// Phase of a machine.
type Phase int

// Phases of a machine, as hostd has them.
const (
	Created Phase = iota
	Running
	Stopped
)

// AgentFacts are taken from the agent's status.
type AgentFacts struct {
	Connected bool
	Known     bool // its status is of the present start of the machine
	Started   bool // it has the pod
	Ran       bool // and has started a container of it
	Held      bool // a container waits for something that it lacks
	Finished  bool // nothing runs, nothing will
}

// Admission of the pod to this node.
type Admission int

// Admission is decided once.
const (
	Undecided Admission = iota
	Admitted
	Rejected
)

// Outcome of a pod that has ended by itself.
type Outcome int

// Outcomes: the agent has run all containers to their end; the machine died and must not be started again; the pod's
// active deadline is over; the node needs what the pod has.
const (
	NoOutcome Outcome = iota
	Completed
	MachineDied
	DeadlineExceeded
	Evicted
)

// New is the state of a pod of which nothing is known yet.
func New() *State {
	return &State{StopSent: -1, version: 1, pending: map[Kind]bool{}, retries: map[Kind]retry{}}
}

// String is one line of what is true, for tests and logs.
func (s *State) String() string {
	var words []string
	say := func(is bool, word string) {
		if is {
			words = append(words, word)
		}
	}
	say(s.Pod.Gone, "gone")
	say(s.Pod.Deleting, "deleting")
	say(s.Admission == Admitted, "admitted")
	say(s.Admission == Rejected, "rejected")
	words = append(words, "images="+[]string{"pending", "failed", "ready"}[s.Pod.Images])
	say(s.HoldForImages, "hold")
	say(s.Pod.Network, "network")
	say(s.Resolved, "resolved")
	switch {
	case !s.Machine.Known:
		words = append(words, "machine=unknown")
	case !s.Machine.Exists:
		words = append(words, "machine=none")
	default:
		words = append(words, "machine="+[]string{"created", "running", "stopped"}[s.Machine.Phase])
	}
	say(!s.SlotSince.IsZero(), "slot")
	say(s.Attached, "attached")
	say(s.Ran, "ran")
	say(s.Agent.Connected, "connected")
	say(s.Agent.Known && !s.Agent.Started, "agent=idle")
	say(s.Agent.Started && !s.Agent.Finished, "agent=has-pod")
	say(s.Agent.Finished, "agent=finished")
	say(s.Outcome != NoOutcome, "outcome="+[]string{"", "completed", "machine-died", "deadline", "evicted"}[s.Outcome])
	say(s.Crashes > 0, fmt.Sprintf("crashes=%d", s.Crashes))
	say(s.ScratchKept, "scratch-kept")
	say(s.LogsKept, "logs-kept")
	say(s.FinalKept, "final-kept")
	say(!s.Released.IsZero(), "released")
	var under []string
	for k := range s.pending {
		under = append(under, string(k))
	}
	sort.Strings(under)
	say(len(under) > 0, "pending="+strings.Join(under, ","))
	return strings.Join(words, " ")
}

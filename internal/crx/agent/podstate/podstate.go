// Package podstate decides what happens to the containers of a pod: in which order they start, when they restart, how
// they stop. It does nothing itself and knows no clock: [Machine.Step] takes what happened and the time, and returns what
// to do. The rules are the kubelet's.
//
//	          Start          Started               Terminate, Kill
//	waiting --------> starting --------> running ------------------> exited --> waiting (back-off) or done
//	   ^                 |  failed                                      |
//	   +-----------------+----------------------------------------------+
package podstate

import "time"

// Policy says when a container that has ended starts again.
type Policy string

const (
	Always    Policy = "Always"
	OnFailure Policy = "OnFailure"
	Never     Policy = "Never"
)

// Plan is what the decisions need to know of a pod.
type Plan struct {
	Pod      string // "name_namespace(uid)", for messages
	Policy   Policy
	Grace    time.Duration
	Deadline time.Duration // 0: none
	Init     []Spec
	Main     []Spec
	// Ephemeral containers are started once, beside all others, and count for nothing.
	Ephemeral []Spec
}

// Spec is what the decisions need to know of a container.
type Spec struct {
	Name                         string
	Policy                       Policy // "": the pod's; Always makes a sidecar of an init container
	Startup, Readiness, Liveness bool   // probes
	StartupGrace, LivenessGrace  *time.Duration
	PostStart, PreStop           bool
	ConfigError                  string // what keeps its configuration from being made
	Rules                        []Rule // the first that fits an exit decides, before the policy
}

// Rule restarts a container whose exit code is among these, or is not.
type Rule struct {
	NotIn     bool
	ExitCodes []int32
}

// Termination tells how a container ended.
type Termination struct {
	ID         string    `json:"id"`
	ExitCode   int32     `json:"exitCode"`
	Reason     string    `json:"reason"`
	Message    string    `json:"message,omitempty"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}

// Event is something that happened. Exactly one group of fields is used, by Kind.
type Event struct {
	Kind      EventKind
	Container string
	ID        string        // Started, StartFailed
	End       Termination   // Exited; StartFailed with Fault StartError
	Fault     Fault         // StartFailed
	Message   string        // StartFailed, HookFailed, Unhealthy, Evict, Restart
	Grace     time.Duration // Stop, Deadline
	Spec      *Spec         // Add, Change
}

// EventKind says what happened.
type EventKind string

const (
	Begin       EventKind = "begin"   // the pod is set up
	Started     EventKind = "started" // the container's process runs
	StartFailed EventKind = "start-failed"
	Exited      EventKind = "exited"
	HookDone    EventKind = "hook-done" // postStart
	HookFailed  EventKind = "hook-failed"
	PreStopDone EventKind = "prestop-done"
	Up          EventKind = "up"        // the startup probe succeeded
	Ready       EventKind = "ready"     // the readiness probe's threshold is reached
	NotReady    EventKind = "not-ready" //
	Unhealthy   EventKind = "unhealthy" // the liveness or startup probe's threshold is reached; Message is "liveness" or "startup"
	Stop        EventKind = "stop"
	Evict       EventKind = "evict"    // the pod uses more storage than it may; Message says which
	Add         EventKind = "add"      // an ephemeral container; one that is known already stays as it is
	Change      EventKind = "change"   // a container's configuration, for its next start
	Restart     EventKind = "restart"  // the container has to restart for its new configuration; Message says why
	Deadline    EventKind = "deadline" // the active deadline: Grace from now, 0 for none
	Tick        EventKind = "tick"     // the time of Machine.Wake has come
)

// Fault classes a failed start.
type Fault string

const (
	ConfigError Fault = "CreateContainerConfigError" // will not get better by itself
	CreateError Fault = "CreateContainerError"       // tried again
	StartError  Fault = "StartError"                 // counts as an exit of the container
)

// Action is something to do.
type Action struct {
	Kind      ActionKind
	Container string
	Attempt   uint32        // Start: how often the container was started before
	Grace     time.Duration // PreStop: time for the hook
	Reason    string        // Note
	Message   string        // Note
	Warning   bool          // Note
}

// ActionKind says what to do.
type ActionKind string

const (
	Start       ActionKind = "start"
	PostStart   ActionKind = "post-start"
	ProbeStart  ActionKind = "probe-startup" // run the startup probe
	ProbeRun    ActionKind = "probe"         // run the liveness and readiness probes
	ProbeEnd    ActionKind = "probe-end"     // no probes any more
	ProbeNoKill ActionKind = "probe-no-kill" // only the readiness probe goes on
	PreStop     ActionKind = "pre-stop"
	Terminate   ActionKind = "terminate" // the stop signal
	Kill        ActionKind = "kill"      // SIGKILL
	Note        ActionKind = "note"      // an event for users
	Finish      ActionKind = "finish"    // nothing runs and nothing will
)

const (
	startBackoff = 10 * time.Second // the kubelet's
	maxBackoff   = 5 * time.Minute
	// A container that ran for twice the longest back-off begins again at the shortest.
	stableAfter = 2 * maxBackoff
	// The kubelet synchronises a pod again this long after a failed start.
	faultBackoff = 10 * time.Second
	// Every container gets this long to end before SIGKILL.
	minimumGrace = 2 * time.Second
	// The kubelet's for a pod that has used up its storage.
	evictionGrace = time.Second
)

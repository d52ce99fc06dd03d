package podstate

import (
	"fmt"
	"slices"
	"time"
)

// Container is the state of one container.
type Container struct {
	Spec
	Init, Sidecar, Ephemeral bool

	// Starting: a start is under way. Running: its process lives. Else it waits or is done.
	Starting, Running bool
	ID                string
	StartedAt         time.Time
	Starts            uint32 // starts so far, failed ones included once they counted as exits

	Up       bool // startup probe passed, or none
	Ready    bool // readiness probe passed
	HookBusy bool // postStart runs

	Reason, Message string       // why it waits
	Exit            *Termination // how the last run that ended did; nil before
	Last            *Termination // how the one before it ended

	ran     bool      // was started in this VM
	again   bool      // runs again though it is done, in a new VM or with a new configuration
	changed bool      // restarts for its new configuration, at once
	next    time.Time // not started before
	noted   bool      // the present back-off was told
	backoff backoff
	stop    *stop

	hookFailed string // message of a failed postStart hook
}

type backoff struct {
	Duration time.Duration `json:"duration"`
	Updated  time.Time     `json:"updated"`
}

// inSince tells whether a container that ended at this time has to wait still.
func (b backoff) inSince(ended, now time.Time) bool {
	return b.Duration > 0 && ended.Sub(b.Updated) <= stableAfter && now.Sub(ended) < b.Duration
}

func (b *backoff) advance(ended, now time.Time) {
	if b.Duration == 0 || ended.Sub(b.Updated) > stableAfter {
		b.Duration = startBackoff
	} else {
		b.Duration = min(2*b.Duration, maxBackoff)
	}
	b.Updated = now
}

// stop is a container's way to its end.
type stop struct {
	by       time.Time // end of the grace period
	hookBusy bool
	termed   bool
	killAt   time.Time // once termed
	killed   bool
}

// policy of the container within the pod.
func (c *Container) policy(pod Policy) Policy {
	switch {
	case c.Policy != "":
		return c.Policy
	case c.Init && pod == Always:
		return OnFailure
	}
	return pod
}

// restarts tells whether the container starts again after its last exit.
func (c *Container) restarts(pod Policy) bool {
	if c.Exit != nil && c.ruled(c.Exit.ExitCode) {
		return true
	}
	switch c.policy(pod) {
	case Never:
		return false
	case OnFailure:
		return c.Exit == nil || c.Exit.ExitCode != 0
	}
	return true
}

// ruled tells whether a rule restarts the container after this exit code.
func (c *Container) ruled(code int32) bool {
	return slices.ContainsFunc(c.Rules, func(r Rule) bool { return slices.Contains(r.ExitCodes, code) != r.NotIn })
}

func (c *Container) idle() bool { return !c.Starting && !c.Running }

// done tells whether the container has ended for good.
func (c *Container) done(pod Policy) bool {
	return c.idle() && c.Exit != nil && !c.again && !c.restarts(pod)
}

func (c *Container) succeeded() bool { return c.Exit != nil && c.Exit.ExitCode == 0 && !c.again }

// Restarts is the restart count that users see.
func (c *Container) Restarts() uint32 { return max(c.Starts, 1) - 1 }

// StartedUp is the started field of the container's status.
func (c *Container) StartedUp() bool { return c.Running && c.Up && !c.HookBusy }

// IsReady is the ready field of the container's status.
func (c *Container) IsReady() bool {
	if c.Init && !c.Sidecar {
		return c.idle() && c.succeeded()
	}
	return c.StartedUp() && (c.Ready || !c.Readiness)
}

func (c *Container) wait(reason, message string) { c.Reason, c.Message = reason, message }

func (c *Container) backoffMessage(pod string) string {
	return fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", c.backoff.Duration, c.Name, pod)
}

// exited notes the end of a run.
func (c *Container) exited(end Termination) {
	c.Starting, c.Running, c.stop = false, false, nil
	c.Up, c.Ready, c.HookBusy, c.noted, c.again = false, false, false, false, c.changed
	c.Reason, c.Message, c.next = "", "", time.Time{}
	c.Last, c.Exit = c.Exit, &end
}

package machine

import (
	"errors"
	"slices"
	"time"
)

// Refusals of Step.
var (
	ErrDestroying  = errors.New("machine is being destroyed")
	ErrOtherAccess = errors.New("disk is attached with other access; detach it first")
	ErrDetaching   = errors.New("disk is being detached; try again")
)

// Step is the whole behaviour of a machine. The caller writes the new state to disk BEFORE it takes the actions, in order.
// An error refuses what a caller asked and changes nothing.
func Step(s State, event Event) (State, []Action, error) {
	s.Disks = slices.Clone(s.Disks)
	switch e := event.(type) {
	case Start, Stop, Destroy, Attach, Detach:
		return s.asked(e)
	case Restarted:
		next, actions := s.restarted(e)
		return next, actions, nil
	}
	next, actions := s.happened(event)
	return next, actions, nil
}

// asked handles what callers ask.
func (s State) asked(event Event) (State, []Action, error) {
	if _, ok := event.(Destroy); !ok && (s.Goal == WantDestroyed || s.Phase == Gone) {
		return s, nil, ErrDestroying
	}
	var actions []Action
	var err error
	switch e := event.(type) {
	case Start:
		s, actions = s.start()
	case Stop:
		s, actions = s.stop(e)
	case Destroy:
		s, actions = s.destroy(e)
	case Attach:
		return s.attach(e.Disk)
	case Detach:
		s, actions = s.detach(e.ID)
	}
	return s, actions, err
}

// happened handles what the host tells.
func (s State) happened(event Event) (State, []Action) {
	switch e := event.(type) {
	case Launched:
		return s.launched(e)
	case Took:
		return s.took(e)
	case TakeOverFailed:
		if e.Run == s.Run && s.Phase == Starting {
			return s, []Action{Clean{}}
		}
	case LaunchFailed:
		return s.launchFailed(e)
	case Ready:
		if e.Run == s.Run && s.Phase.up() && s.ReadyAt.IsZero() {
			s.ReadyAt = e.At
		}
	case Told:
		if e.Run == s.Run && s.Phase.up() {
			s.Told = &e.Exited
		}
	case GuestEnded:
		if e.Run == s.Run && s.Phase.up() {
			return s.end(exitOfGuest(s, e))
		}
	case ProcessGone:
		if e.Run == s.Run && s.Phase.up() {
			return s.end(exitOfProcess(s, e))
		}
	case GraceOver:
		if s.Phase == Stopping && e.Deadline.Equal(s.Deadline) {
			return s.end(Exit{At: e.At, Reason: ReasonStopped, Message: "the guest did not power off within its grace period"})
		}
	case StartDue:
		if s.Phase == Stopped && s.Goal == WantRunning && e.At.Equal(s.NextStart) {
			return s.begin()
		}
	case Unplugged:
		s.Disks = slices.DeleteFunc(s.Disks, func(d Disk) bool { return d.ID == e.ID && d.Detaching })
	case Cleaned:
		return s.cleaned()
	case Deleted:
		s.Phase = Gone
	}
	return s, nil
}

func (s State) start() (State, []Action) {
	s.Goal = WantRunning
	if s.Phase == Created || s.Phase == Stopped {
		return s.begin()
	}
	return s, nil
}

func (s State) begin() (State, []Action) {
	s.Phase, s.Goal = Starting, WantRunning
	s.Run++
	s.Process, s.Told = nil, nil
	s.StartedAt, s.ReadyAt, s.Deadline, s.NextStart = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return s, []Action{Launch{Run: s.Run}}
}

func (s State) launched(e Launched) (State, []Action) {
	if e.Run != s.Run || s.Phase != Starting {
		return s, nil
	}
	s.Phase, s.Process, s.StartedAt, s.ImageVersion = Running, &e.Process, e.At, e.ImageVersion
	return s, nil
}

func (s State) took(e Took) (State, []Action) {
	if e.Run != s.Run || s.Phase != Starting {
		return s, nil
	}
	s.Standby = e.Standby
	return s, []Action{TakeOver{Run: s.Run}}
}

func (s State) launchFailed(e LaunchFailed) (State, []Action) {
	if e.Run != s.Run || s.Phase != Starting {
		return s, nil
	}
	return s.end(Exit{At: e.At, Reason: ReasonVMMFailed, Message: e.Message})
}

func (s State) stop(e Stop) (State, []Action) {
	s.Goal, s.NextStart = WantStopped, time.Time{}
	deadline := e.At.Add(e.Grace)
	switch {
	case !s.Phase.up():
		return s, nil
	case e.Grace <= 0:
		return s.end(Exit{At: e.At, Reason: ReasonStopped, Message: "stopped without a grace period"})
	case s.Phase == Stopping && !deadline.Before(s.Deadline):
		return s, nil // a later call may shorten the period, never lengthen it
	}
	s.Phase, s.Deadline = Stopping, deadline
	return s, []Action{PowerOff{Grace: e.Grace}, Await{Deadline: deadline}}
}

func (s State) destroy(e Destroy) (State, []Action) {
	s.Goal, s.NextStart = WantDestroyed, time.Time{}
	switch s.Phase {
	case Created, Stopped:
		s.Phase = Destroying
		return s, []Action{Delete{}}
	case Starting, Running, Stopping:
		return s.end(Exit{At: e.At, Reason: ReasonStopped, Message: "destroyed"})
	}
	return s, nil
}

// end leaves the phases in which the guest runs. A guest that ended by itself is not started again, unless it has Restart.
func (s State) end(exit Exit) (State, []Action) {
	if s.Goal == WantRunning && s.Phase != Stopping {
		s = s.unwanted(exit.At)
	}
	s.Phase, s.LastExit = Ending, &exit
	return s, []Action{Clean{}}
}

// goodRun is how long a machine runs at least whose end is not one of a row.
const goodRun = 2 * time.Minute

// maxRestartDelay is the longest wait of a machine that ends again and again.
const maxRestartDelay = time.Minute

// unwanted is for an end that nobody asked for.
func (s State) unwanted(at time.Time) State {
	if !s.Restart {
		s.Goal = WantStopped
		return s
	}
	if !s.StartedAt.IsZero() && at.Sub(s.StartedAt) >= goodRun {
		s.Ends = 0
	}
	s.NextStart = at.Add(restartDelay(s.Ends))
	s.Ends++
	return s
}

// restartDelay after so many ends in a row: none, 1 s, 2 s, 4 s and so on.
func restartDelay(ends int) time.Duration {
	if ends == 0 {
		return 0
	}
	return min(time.Second<<min(ends-1, 10), maxRestartDelay)
}

func (s State) cleaned() (State, []Action) {
	if s.Phase == Starting || s.Phase == Ending {
		s.Standby = ""
	}
	switch {
	case s.Phase == Starting:
		return s, []Action{Launch{Run: s.Run}}
	case s.Phase != Ending:
		return s, nil
	}
	s.Process, s.Deadline = nil, time.Time{}
	// Without a VMM no disk is plugged.
	s.Disks = slices.DeleteFunc(s.Disks, func(d Disk) bool { return d.Detaching })
	switch s.Goal {
	case WantDestroyed:
		s.Phase = Destroying
		return s, []Action{Delete{}}
	case WantRunning:
		if s.NextStart.IsZero() {
			return s.begin()
		}
		s.Phase = Stopped
		return s, []Action{AwaitStart{At: s.NextStart}}
	}
	s.Phase = Stopped
	return s, nil
}

func (s State) attach(disk Disk) (State, []Action, error) {
	if i, ok := s.disk(disk.ID); ok {
		have := s.Disks[i]
		switch {
		case have.Detaching:
			return s, nil, ErrDetaching
		case have.ReadOnly != disk.ReadOnly:
			return s, nil, ErrOtherAccess
		}
		// Again: an earlier call may have been cut off between its state and its action.
		s.Disks[i].DeleteWithMachine = disk.DeleteWithMachine
		return s, s.plug(s.Disks[i]), nil
	}
	disk.LUN, disk.Detaching = s.freeLUN(), false
	s.Disks = append(s.Disks, disk)
	return s, s.plug(disk), nil
}

func (s State) plug(disk Disk) []Action {
	if !s.Phase.up() {
		return nil
	}
	return []Action{Plug{Disk: disk}}
}

func (s State) detach(id string) (State, []Action) {
	i, ok := s.disk(id)
	if !ok {
		return s, nil
	}
	if !s.Phase.up() {
		s.Disks = slices.Delete(s.Disks, i, i+1)
		return s, nil
	}
	s.Disks[i].Detaching = true
	return s, []Action{Unplug{Disk: s.Disks[i]}}
}

// restarted finishes or undoes what hostd was about when it ended.
func (s State) restarted(e Restarted) (State, []Action) {
	switch s.Phase {
	case Starting:
		// How far the launch came is unknown; the caller of Start got no answer. Begin it again from nothing.
		return s, []Action{Clean{}}
	case Ending:
		return s, []Action{Clean{}}
	case Destroying:
		return s, []Action{Delete{}}
	case Running, Stopping:
		if !e.Alive {
			return s.end(exitUnseen(e))
		}
	default:
		if !s.NextStart.IsZero() {
			return s, []Action{AwaitStart{At: s.NextStart}}
		}
		return s, nil
	}
	actions := []Action{Adopt{Run: s.Run}}
	for _, disk := range s.Disks {
		if disk.Detaching {
			actions = append(actions, Unplug{Disk: disk})
		} else {
			actions = append(actions, Plug{Disk: disk})
		}
	}
	if s.Phase == Stopping {
		actions = append(actions, PowerOff{Grace: max(s.Deadline.Sub(e.At), 0)}, Await{Deadline: s.Deadline})
	}
	return s, actions
}

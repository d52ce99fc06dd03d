package podworker

import "time"

// planner finds the next actions for a state. It is level-triggered: it looks at what is, not at what has changed.
type planner struct {
	*State
	now     time.Time
	actions []Action
	wake    time.Time
	running bool // the pod shall run
}

// want asks for an action unless one of its kind is under way or has just failed.
func (p *planner) want(a Action) {
	if p.pending[a.Kind] {
		return
	}
	if p.resting(a.Kind) {
		return
	}
	p.pending[a.Kind] = true
	p.actions = append(p.actions, a)
}

// resting tells whether an action has failed and is not to be tried again yet.
func (p *planner) resting(kind Kind) bool {
	r, ok := p.retries[kind]
	if !ok || !p.now.Before(r.after) {
		return false
	}
	p.wakeAt(r.after)
	return true
}

func (p *planner) wakeAt(t time.Time) {
	if p.wake.IsZero() || t.Before(p.wake) {
		p.wake = t
	}
}

func (p *planner) plan() {
	switch {
	case p.Pod.Gone:
		p.remove()
	case p.Pod.Deleting:
		p.terminate()
	case p.Admission == Rejected, p.Pod.Terminal && !p.Machine.Exists:
		p.destroyed()
	case p.Pod.Terminal, p.Outcome != NoOutcome:
		p.finish()
	case p.pending[DestroyMachine]:
	case p.Admission == Undecided:
		p.want(Action{Kind: Admit})
	default:
		p.run()
	}
}

// remove: the object is gone, so nothing of the pod may stay.
func (p *planner) remove() {
	if !p.destroyed() {
		return
	}
	p.want(Action{Kind: Forget})
}

// destroyed tells whether the machine is gone, and sees to it otherwise.
func (p *planner) destroyed() bool {
	switch {
	case p.pending[CreateMachine] || p.pending[StartMachine]:
		return false // its result tells what there is to destroy
	case !p.Machine.Known:
		return false
	case p.Machine.Exists:
		p.want(Action{Kind: DestroyMachine})
		return false
	}
	return !p.pending[DestroyMachine]
}

// terminate: the object is being deleted. The machine goes first.
func (p *planner) terminate() {
	if p.mayRun() && !p.quiesced(p.Pod.GraceSeconds) {
		return
	}
	if p.keepsScratch() || p.keepsEnd() {
		return
	}
	if !p.destroyed() {
		return
	}
	if again := p.Released.Add(releaseAgain); !p.Released.IsZero() && p.now.Before(again) {
		p.wakeAt(again)
		return
	}
	p.want(Action{Kind: Release})
}

// keepsScratch sees to it that what the pod leaves in scratch directories is there for later pods before anybody is told that it
// has ended.
func (p *planner) keepsScratch() bool {
	if !p.leavesScratch() {
		return false
	}
	if p.Agent.Connected {
		p.want(Action{Kind: KeepScratch})
	} else {
		p.want(Action{Kind: Connect})
	}
	return true
}

// leavesScratch tells whether the machine has files of scratch directories that are not kept yet, and can be asked for them.
func (s *State) leavesScratch() bool {
	return s.Pod.Scratch && !s.ScratchKept && s.HandedOver && s.Machine.Exists && s.Machine.Phase == Running &&
		s.retries[KeepScratch].failures < keepLogsTries && (s.Agent.Connected || s.retries[Connect].failures < lastConnects)
}

// keepsEnd sees to it that how the containers ended is on disk before the machine, which knows it too, is destroyed: the
// API server may be away until after the next start of the spherelet. A disk that is full does not hold the deletion up.
func (p *planner) keepsEnd() bool {
	if !p.Machine.Exists || !p.HandedOver || p.FinalKept || p.retries[KeepFinal].failures > 0 {
		return false
	}
	p.want(Action{Kind: KeepFinal})
	return true
}

// mayRun tells whether containers may be running that deserve to be asked to end.
func (p *planner) mayRun() bool {
	return p.Machine.Exists && p.Machine.Phase == Running && !p.Agent.Finished && (p.Agent.Started || !p.Agent.Known && p.HandedOver)
}

// quiesced asks the agent to end the containers and tells when there is nothing more to wait for.
func (p *planner) quiesced(grace int64) bool {
	kill := p.QuiesceSince.Add(time.Duration(grace)*time.Second + killSlack)
	if !p.now.Before(kill) {
		return true
	}
	p.wakeAt(kill)
	switch {
	case !p.Agent.Connected:
		p.want(Action{Kind: Connect})
	case p.StopSent < 0 || grace < p.StopSent:
		p.want(Action{Kind: Stop, Grace: grace})
		if p.pending[Stop] {
			p.StopSent = grace
		}
	}
	return false
}

// finish: the pod has ended by itself. What its users may still want to see is kept, then the machine goes.
func (p *planner) finish() {
	if grace, ended := p.endedByNode(); ended && p.mayRun() && !p.quiesced(grace) {
		return
	}
	if p.keepsScratch() {
		return
	}
	if p.Machine.Exists && p.Machine.Phase == Running && !p.LogsKept && p.HandedOver && p.retries[KeepLogs].failures < keepLogsTries {
		if p.Agent.Connected {
			p.want(Action{Kind: KeepLogs})
		} else if p.retries[Connect].failures < lastConnects {
			p.want(Action{Kind: Connect})
		} else {
			p.finished()
			return
		}
		if p.pending[KeepLogs] || p.pending[Connect] || !p.wake.IsZero() {
			return
		}
	}
	p.finished()
}

// endedByNode tells whether the pod does not end by itself, and how long it has.
func (p *planner) endedByNode() (grace int64, ended bool) {
	switch p.Outcome {
	case DeadlineExceeded:
		return p.Pod.StopGrace, true
	case Evicted:
		return p.EvictGrace, true
	}
	return 0, false
}

func (p *planner) finished() {
	if !p.FinalKept {
		p.want(Action{Kind: KeepFinal})
		return
	}
	p.destroyed()
}

// run: the pod shall run.
func (p *planner) run() {
	p.running = true
	if !p.Pod.Deadline.IsZero() {
		if !p.now.Before(p.Pod.Deadline) {
			p.Outcome, p.QuiesceSince = DeadlineExceeded, p.now
			p.finish()
			return
		}
		p.wakeAt(p.Pod.Deadline)
	}
	if !p.Resolved {
		p.want(Action{Kind: Resolve})
	}
	if p.Pod.Resize {
		p.want(Action{Kind: Resize})
	}
	switch {
	case !p.Machine.Known:
	case p.HoldForImages && !p.HandedOver:
		p.destroyed()
	case !p.Machine.Exists:
		p.create()
	case p.Machine.Phase == Created:
		p.attach()
		p.start(StartMachine)
	case p.Machine.Phase == Stopped:
		p.restart()
	default:
		p.attach()
		p.useAgent()
	}
}

func (p *planner) create() {
	if p.Agent.Finished {
		p.Outcome = Completed
		p.finish()
		return
	}
	if p.Ran && p.Pod.Never && !p.pending[CreateMachine] {
		p.Outcome = MachineDied
		p.finish()
		return
	}
	p.start(CreateMachine)
}

// restart: the machine died under the pod.
func (p *planner) restart() {
	switch {
	case p.Agent.Finished:
		p.Outcome = Completed
		p.finish()
		return
	case p.Ran && p.Pod.Never:
		p.Outcome = MachineDied
		p.finish()
		return
	}
	if at := p.Machine.Exited.Add(restartDelay(p.Crashes)); p.now.Before(at) {
		p.wakeAt(at)
		return
	}
	p.start(StartMachine)
}

func (p *planner) attach() {
	if p.Pod.Images == ImagesReady && !p.Attached {
		p.want(Action{Kind: Attach})
	}
}

func (p *planner) useAgent() {
	switch {
	case !p.Agent.Connected:
		p.want(Action{Kind: Connect})
	case !p.Agent.Known:
	case p.Agent.Finished:
		p.Outcome = Completed
		p.finish()
	case !p.Agent.Started:
		if p.Attached && p.Resolved && p.Pod.Network {
			p.give(HandOver)
		}
	case p.Attached && p.Resolved && p.given != p.version:
		p.give(Update)
	}
}

// give tells the agent what is known now.
func (p *planner) give(kind Kind) {
	if !p.pending[HandOver] && !p.pending[Update] && (kind == Update || p.slot(kind)) {
		p.giving = p.version
		p.want(Action{Kind: kind})
	}
}

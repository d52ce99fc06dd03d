package podworker

import "time"

// start asks for an action that takes processor time until the pod's first container runs.
func (p *planner) start(kind Kind) {
	if !p.pending[kind] && p.slot(kind) {
		p.want(Action{Kind: kind})
	}
}

// slot tells whether the pod may go on with its start, and sees to it otherwise.
func (p *planner) slot(kind Kind) bool {
	switch {
	case p.resting(kind):
		return false
	case !p.SlotSince.IsZero():
		return true
	case !p.pending[TakeSlot]:
		p.QueuedSince = p.now
		p.want(Action{Kind: TakeSlot, Begun: p.Machine.Exists})
	}
	return false
}

// keepSlot gives the slot back when it is of no use any more, and tells of a long wait for one.
func (p *planner) keepSlot() {
	switch {
	case p.SlotSince.IsZero():
	case p.usesSlot():
		p.wakeAt(p.SlotSince.Add(slotLimit))
	default:
		p.SlotSince = time.Time{}
		p.actions = append(p.actions, Action{Kind: FreeSlot})
	}
	told := p.QueuedSince.Add(queuedQuietly)
	switch {
	case p.QueuedSince.IsZero():
	case !p.pending[TakeSlot] || !p.running:
		p.QueuedSince = time.Time{}
	case p.now.Before(told):
		p.wakeAt(told)
	default:
		p.QueuedSince = time.Time{}
		p.actions = append(p.actions, Action{Kind: TellQueued})
	}
}

// usesSlot tells whether processor time is all that the pod's start needs now.
func (p *planner) usesSlot() bool {
	switch {
	case !p.running, !p.now.Before(p.SlotSince.Add(slotLimit)):
		return false
	case p.pending[CreateMachine], p.pending[StartMachine], p.pending[HandOver]:
		return true
	case !p.Machine.Exists, p.Machine.Phase != Running:
		return false
	case !p.Agent.Known:
		return true // it boots
	case !p.Agent.Started:
		return p.Pod.Network && (p.Attached || p.pending[Attach]) && (p.Resolved || p.pending[Resolve])
	}
	return !p.Agent.Ran && !p.Agent.Held && !p.Agent.Finished
}

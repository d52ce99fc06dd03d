// Package podworker makes pods run: one worker a pod, keyed by the pod's UID.
//
// The decisions are a pure function, [State.Step]: it takes what has happened and returns what to do. The worker around it
// carries the actions out, each in its own goroutine, and reports their results as events.
//
//	        Admit ──rejected──────────────────────────────▶ Failed, kept until deleted
//	          │ as many pods at once as may start: TakeSlot … FreeSlot, from CreateMachine to the first container
//	          ▼            image failed
//	┌─▶ CreateMachine ◀──────────────────▶ DestroyMachine, hold until the images are there
//	│         │  beside it: Resolve, Attach
//	│         ▼
//	│      Connect ◀─────────────────────┐ connection lost
//	│         │                          │
//	│         ▼                          │
//	│      HandOver ──▶ the agent has the pod ──finished──▶ KeepScratch, KeepLogs, KeepFinal, DestroyMachine: Succeeded or Failed
//	│                        │     │
//	│      machine died      │     │ deleted: Stop, and when all has ended or the grace period is over
//	└── StartMachine ◀───────┘     └───────────▶ KeepScratch, DestroyMachine, Release the object, Forget when it is gone
package podworker

import (
	"time"
)

// Kind of an action. At most one action of a kind is under way for a pod.
type Kind string

// Kinds of actions.
const (
	Admit          Kind = "admit"
	TakeSlot       Kind = "take-slot" // wait until one more pod may start; the first two are done at once
	FreeSlot       Kind = "free-slot"
	TellQueued     Kind = "tell-queued"     // that the pod waits for a slot
	Resolve        Kind = "resolve"         // read ConfigMaps, Secrets, tokens
	CreateMachine  Kind = "create-machine"  // and its disk, and start it
	StartMachine   Kind = "start-machine"   // again
	DestroyMachine Kind = "destroy-machine" // and its disk
	Attach         Kind = "attach"          // images' disks
	Connect        Kind = "connect"         // to the agent, and watch it
	HandOver       Kind = "hand-over"       // give the pod to the agent
	Update         Kind = "update"          // give it what has changed since
	Resize         Kind = "resize"          // decide on new resources of the containers

	Stop        Kind = "stop"         // ask the agent to end the pod
	KeepLogs    Kind = "keep-logs"    // copy the logs out of the machine
	KeepScratch Kind = "keep-scratch" // copy what the pod leaves in scratch directories out of the machine
	KeepFinal   Kind = "keep-final"   // write the last status to disk
	Release     Kind = "release"      // write the last status, then delete the API object
	Forget      Kind = "forget"       // remove the pod's directory; the worker ends
	Wake        Kind = "wake"         // call Step again at a time
)

// Action is something to do now.
type Action struct {
	Kind  Kind
	Grace int64     // seconds, of Stop
	Begun bool      // of TakeSlot: the pod has a machine
	At    time.Time // of Wake
}

// Event is something that has happened. Exactly one field is set.
type Event struct {
	Pod     *PodFacts
	Machine *MachineFacts
	Agent   *AgentFacts // a status of the agent has come
	// AgentLost: the connection to the agent has ended.
	AgentLost bool
	// ContentsChanged: something that the pod's volumes or environment are made of.
	ContentsChanged bool
	// Done is the result of an action.
	Done *Done
	// Evict: the node ends the pod; it has so many seconds.
	Evict *int64
	// Woken: the time of a Wake has come.
	Woken bool
}

// Done is the result of an action.
type Done struct {
	Kind Kind
	Err  error
	// Rejected is the result of Admit.
	Rejected bool
	// Machine as hostd returned it from CreateMachine or StartMachine.
	Machine *MachineFacts
}

type retry struct {
	failures int
	after    time.Time
}

const (
	// killSlack is added to the grace period before the machine is destroyed under a pod that has not ended: the agent
	// itself kills the containers at the end of the grace period and needs a moment to say so.
	killSlack = 10 * time.Second
	// Back-off of a machine that dies again and again: the kubelet's for containers.
	crashBackOff, maxCrashBackOff = 10 * time.Second, 5 * time.Minute
	// calm is how long a machine must have run for its next death to count as the first.
	calm = 10 * time.Minute
	// keepLogsTries bounds how often the logs of a finished pod, and the files that it leaves, are tried to be saved before its
	// machine goes, and lastConnects how often its agent is called for that: half a minute, since on a busy host it may not answer for
	// some seconds.
	keepLogsTries = 5
	lastConnects  = 20
	// releaseAgain is after how long an object that should have gone is released once more. An API server that has just started knows
	// no pods when it asks itself whose one is, and says that there is none.
	releaseAgain = 10 * time.Second
	// slotLimit is how long a pod has a slot to start at most: what takes longer does not hold up the others.
	slotLimit = 15 * time.Second
	// queuedQuietly is how long a pod waits for a slot before its users are told.
	queuedQuietly = 10 * time.Second
)

// Step takes an event in and returns what to do.
func (s *State) Step(e Event, now time.Time) []Action {
	s.apply(e, now)
	p := &planner{State: s, now: now}
	p.plan()
	p.keepSlot()
	if !p.wake.IsZero() {
		p.actions = append(p.actions, Action{Kind: Wake, At: p.wake})
	}
	return p.actions
}

func (s *State) apply(e Event, now time.Time) {
	switch {
	case e.Pod != nil:
		s.applyPod(*e.Pod, now)
	case e.Machine != nil:
		s.applyMachine(*e.Machine)
	case e.Agent != nil:
		connected := s.Agent.Connected
		s.Agent = *e.Agent
		s.Agent.Connected, s.Agent.Known = connected, true
		s.HandedOver = s.HandedOver || s.Agent.Started
		s.Ran = s.Ran || s.Agent.Ran
	case e.AgentLost:
		s.Agent.Connected = false
		s.version++     // an update may not have arrived
		s.StopSent = -1 // it may not have arrived
	case e.ContentsChanged:
		s.contentsChanged()
	case e.Done != nil:
		s.applyDone(*e.Done, now)
	case e.Evict != nil && s.Outcome == NoOutcome && !s.Pod.Terminal:
		s.Outcome, s.EvictGrace = Evicted, *e.Evict
		if s.QuiesceSince.IsZero() {
			s.QuiesceSince = now
		}
	}
}

// contentsChanged: what the pod is configured with has to be read again, and the agent told.
func (s *State) contentsChanged() {
	s.version++
	s.Resolved, s.Outdated = false, s.pending[Resolve]
	delete(s.retries, Resolve)
}

func (s *State) applyPod(p PodFacts, now time.Time) {
	if s.Pod.Gone {
		return // a UID does not come back; this is the late answer to a write of its status
	}
	if s.Pod.Revision != "" && s.Pod.Revision != p.Revision && !p.Gone {
		s.contentsChanged()
	}
	if s.Pod.Digests != p.Digests {
		s.Attached, s.attachAgain = false, s.pending[Attach]
	}
	if s.Pod.Resize != p.Resize {
		delete(s.retries, Resize)
	}
	if s.Pod.Images != p.Images || s.Pod.Network != p.Network {
		delete(s.retries, Attach)
		delete(s.retries, CreateMachine)
	}
	s.Ran = s.Ran || p.Ran
	terminal := s.Pod.Terminal || p.Terminal
	s.Pod = p
	s.Pod.Terminal = terminal
	switch {
	case p.Images == ImagesFailed && !s.HandedOver:
		s.HoldForImages = true
	case p.Images == ImagesReady:
		s.HoldForImages = false
	}
	if (p.Deleting || p.Gone) && s.QuiesceSince.IsZero() {
		s.QuiesceSince = now
	}
}

func (s *State) applyMachine(m MachineFacts) {
	old := s.Machine
	if old.Exists && m.Exists && m.Starts < old.Starts {
		return // the watch is behind the result of an action
	}
	if m.Starts != old.Starts || !m.Exists {
		// What was known of the agent was of an earlier boot. Whether all had ended stays true.
		s.Agent = AgentFacts{Finished: s.Agent.Finished}
		s.StopSent = -1
		s.given = 0
	}
	if !m.Exists {
		s.Attached = false
	}
	if m.Exists && m.Phase == Stopped && !(old.Exists && old.Phase == Stopped && old.Starts == m.Starts) {
		s.Crashes++
		if m.Exited.Sub(m.Started) > calm {
			s.Crashes = 1
		}
		s.Agent.Connected = false
	}
	s.Machine = m
}

func (s *State) applyDone(d Done, now time.Time) {
	delete(s.pending, d.Kind)
	if d.Err != nil {
		r := s.retries[d.Kind]
		r.failures++
		r.after = now.Add(retryAfter(d.Kind, r.failures))
		s.retries[d.Kind] = r
		switch d.Kind {
		case Stop:
			s.StopSent = -1
		case Resolve:
			s.Outdated = false
		case Attach:
			s.attachAgain = false
		}
		return
	}
	delete(s.retries, d.Kind)
	switch d.Kind {
	case Admit:
		s.Admission = Admitted
		if d.Rejected {
			s.Admission = Rejected
		}
	case Resolve:
		s.Resolved, s.Outdated = !s.Outdated, false
	case CreateMachine, StartMachine:
		if d.Machine != nil {
			s.applyMachine(*d.Machine)
		}
	case DestroyMachine:
		s.applyMachine(MachineFacts{Known: true})
	case Attach:
		s.Attached, s.attachAgain = !s.attachAgain, false
		s.version++
	case Connect:
		s.Agent.Connected = true
	case HandOver:
		s.HandedOver = true
		s.Agent.Started = true
		s.given = s.giving
	case Update:
		s.given = s.giving
	case Resize:
		s.version++
	case KeepLogs:
		s.LogsKept = true
	case KeepScratch:
		s.ScratchKept = true
	case KeepFinal:
		s.FinalKept = true
	case TakeSlot:
		s.SlotSince = now
	case Release:
		s.Released = now
	}
}

// retryAfter doubles from a start to an end that fit the action: a socket or the API server of the same cluster may be
// back at once, a full host or a missing Secret takes longer.
func retryAfter(k Kind, failures int) time.Duration {
	first, last := 200*time.Millisecond, 15*time.Second
	switch k {
	case Connect, HandOver, Stop, Release:
		first, last = 50*time.Millisecond, 2*time.Second
	case CreateMachine:
		first, last = 500*time.Millisecond, 30*time.Second
	}
	d := first
	for i := 1; i < failures && d < last; i++ {
		d *= 2
	}
	return min(d, last)
}

func restartDelay(crashes int) time.Duration {
	if crashes <= 1 {
		return 0
	}
	d := crashBackOff
	for i := 2; i < crashes && d < maxCrashBackOff; i++ {
		d *= 2
	}
	return min(d, maxCrashBackOff)
}

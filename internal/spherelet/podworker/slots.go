package podworker

import (
	"slices"
	"sync"
)

// slots bound how many pods of a node start at once: a start takes processor time from its begin to its first container, and those that
// are not more than the host's processors all end earlier than if they had shared them with every other. A pod that starts waits for
// nothing else while it has a slot; see [planner.usesSlot].
type slots struct {
	limit func() int

	mu      sync.Mutex
	held    map[string]bool // by UID of the pod
	waiting []waiter        // the next first
}

// waiter is a pod that wants a slot.
type waiter struct {
	uid      string
	begun    bool  // it has a machine: what was begun is brought to its end first
	priority int32 // of the pod; the higher comes first
	granted  func()
}

func (w waiter) before(other waiter) bool {
	if w.begun != other.begun {
		return w.begun
	}
	return w.priority > other.priority
}

func newSlots(limit func() int) *slots { return &slots{limit: limit, held: map[string]bool{}} }

// take has granted called once there is a slot for the pod. It does not wait, and granted must not call back.
func (s *slots) take(w waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.waiting, w.before)
	if at < 0 {
		at = len(s.waiting)
	}
	s.waiting = slices.Insert(s.waiting, at, w)
	s.serve()
}

// free takes a pod's slot, or its place among those that wait, from it.
func (s *slots) free(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, uid)
	s.waiting = slices.DeleteFunc(s.waiting, func(w waiter) bool { return w.uid == uid })
	s.serve()
}

func (s *slots) serve() {
	for len(s.waiting) > 0 && len(s.held) < max(s.limit(), 1) {
		next := s.waiting[0]
		s.waiting = slices.Delete(s.waiting, 0, 1)
		s.held[next.uid] = true
		next.granted()
	}
}

// queue tells how many pods start now, and how many wait before this one.
func (s *slots) queue(uid string) (starting, before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held), max(slices.IndexFunc(s.waiting, func(w waiter) bool { return w.uid == uid }), 0)
}

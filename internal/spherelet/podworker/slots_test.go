package podworker

import (
	"slices"
	"testing"
)

func TestSlots(t *testing.T) {
	limit := 2
	s := newSlots(func() int { return limit })
	var granted []string
	take := func(uid string, begun bool, priority int32) {
		s.take(waiter{uid: uid, begun: begun, priority: priority, granted: func() { granted = append(granted, uid) }})
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(granted, want) {
			t.Fatalf("granted %v, want %v", granted, want)
		}
	}
	take("a", false, 0)
	take("b", false, 0)
	take("c", false, 0)
	take("d", false, 0)
	take("critical", false, 2_000_000_000)
	take("begun", true, 0)
	expect("a", "b")
	if starting, before := s.queue("d"); starting != 2 || before != 3 {
		t.Errorf("%d start, %d before d; want 2 and 3", starting, before)
	}
	s.free("a")
	expect("a", "b", "begun")
	s.free("b")
	expect("a", "b", "begun", "critical")
	s.free("c") // it is deleted before its turn
	s.free("begun")
	expect("a", "b", "begun", "critical", "d")
	s.free("d")
	s.free("critical")
	limit = 0 // unknown yet: one at a time, never none
	take("e", false, 0)
	take("f", false, 0)
	expect("a", "b", "begun", "critical", "d", "e")
	s.free("e")
	expect("a", "b", "begun", "critical", "d", "e", "f")
}

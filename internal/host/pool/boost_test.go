package pool

import (
	"math"
	"testing"
	"time"
)

func TestBoosted(t *testing.T) {
	for name, c := range map[string]struct{ boost, used, reserved, waited, want float64 }{
		"nothing reserved":            {8, 100, 0, 1, 1},
		"it has what it should":       {2, 1000, 1000, 1, 2},
		"it has too little and waits": {1, 500, 1000, 1, 2},
		"much too little":             {1, 10, 1000, 1, 4},
		"nothing at all":              {1, 0, 1000, 1, 4},
		"it does not want more":       {2, 500, 1000, 0.01, 1.6},
		"it has plenty":               {2, 1200, 1000, 1, 1.6},
		"no more than the most":       {6, 10, 1000, 1, 8},
		"no less than none":           {1, 2000, 1000, 1, 1},
	} {
		if have := boosted(c.boost, c.used, c.reserved, c.waited); math.Abs(have-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

// A host has less than it believes: the pool comes to its reservation within some looks and stays there.
func TestBoostFindsTheReservation(t *testing.T) {
	const all, reserved, own, others = 1500.0, 1000.0, 1.0, 3.0
	now, m := time.Unix(1, 0), meter{}
	nanoseconds, wait, used := 0.0, 0.0, 0.0
	for i := range 20 {
		used = all * own * max(m.boost, 1) / (own*max(m.boost, 1) + others)
		now = now.Add(measureEvery)
		nanoseconds += used / 2000 * float64(measureEvery.Nanoseconds())
		wait += float64(measureEvery.Nanoseconds()) / 2
		m = m.next(now, uint64(nanoseconds), time.Duration(wait), reserved, 2000)
		if i > 8 && (used < 0.95*reserved || used > 1.3*reserved) {
			t.Errorf("look %d: %v MHz of %v", i, used, reserved)
		}
	}
	if again := m.next(now.Add(measureEvery), 0, 0, reserved, 2000); again.boost != m.boost {
		t.Errorf("a counter that begins anew changes the boost to %v", again.boost)
	}
}

package standby

import (
	"math"
	"testing"
	"time"
)

func TestLoadForgetsWhatWasBefore(t *testing.T) {
	var l Load
	now, average := time.Unix(1000, 0), 60.0
	for i, c := range []struct {
		after  time.Duration
		active float64 // tasks, meanwhile
		want   float64
	}{
		{0, 0, 60},
		{10 * time.Second, 0, 0},
		{5 * time.Second, 8, 0}, // too early to tell
		{5 * time.Second, 8, 8},
		{20 * time.Second, 2, 2},
	} {
		now = now.Add(c.after)
		rest := math.Exp(-c.after.Minutes())
		average = average*rest + c.active*(1-rest)
		if have := l.measure(now, average); math.Abs(have-c.want) > 0.01 {
			t.Errorf("%d: %v, want %v", i, have, c.want)
		}
	}
}

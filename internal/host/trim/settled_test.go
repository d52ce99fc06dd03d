package trim

import (
	"testing"
	"time"
)

func TestSettled(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	born := time.Unix(1000, 0)
	for _, c := range []struct {
		name        string
		before      usage
		looked      time.Duration
		cpu, waited time.Duration // since before
		age         time.Duration
		want        bool
	}{
		{name: "still starting", before: usage{1 * s, 1 * s}, cpu: 2 * s, age: 30 * s, want: false},
		{name: "a tenth of a processor", before: usage{3 * s, 3 * s}, cpu: 500 * ms, age: 30 * s, want: false},
		{name: "settled after the start", before: usage{3 * s, 3 * s}, cpu: 100 * ms, age: 30 * s, want: true},
		{name: "gets no processor", before: usage{3 * s, 9 * s}, cpu: 100 * ms, waited: 4 * s, age: 30 * s, want: false},
		{name: "may wait for its pod", before: usage{3 * s, 3 * s}, cpu: 100 * ms, age: 10 * s, want: false},
		{name: "idle since the last look", before: usage{3100 * ms, 4 * s}, looked: 3100 * ms, cpu: 50 * ms, age: time.Hour, want: false},
		{name: "idle for long", before: usage{3290 * ms, 4 * s}, looked: 3100 * ms, cpu: 10 * ms, age: time.Hour, want: true},
	} {
		before := seen{usage: c.before, first: born, looked: c.looked}
		now := usage{cpu: c.before.cpu + c.cpu, wanted: c.before.wanted + c.cpu + c.waited}
		if have := before.settled(now, born.Add(c.age), 5*s); have != c.want {
			t.Errorf("%s: %v", c.name, have)
		}
	}
}

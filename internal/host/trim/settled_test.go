package trim

import (
	"testing"
	"time"
)

func TestSettled(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		name        string
		before      seen
		cpu, within time.Duration
		want        bool
	}{
		{"still starting", seen{cpu: 1 * s}, 3 * s, 5 * s, false},
		{"a tenth of a processor", seen{cpu: 3 * s}, 3500 * ms, 5 * s, false},
		{"settled after the start", seen{cpu: 3 * s}, 3100 * ms, 5 * s, true},
		{"idle since the last look", seen{cpu: 3100 * ms, looked: 3100 * ms}, 3150 * ms, 5 * s, false},
		{"idle for long", seen{cpu: 3290 * ms, looked: 3100 * ms}, 3300 * ms, 5 * s, true},
	} {
		if have := c.before.settled(c.cpu, c.within); have != c.want {
			t.Errorf("%s: %v", c.name, have)
		}
	}
}

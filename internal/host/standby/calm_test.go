package standby

import (
	"testing"
	"time"
)

func TestCalm(t *testing.T) {
	for name, c := range map[string]struct {
		starts []time.Duration
		want   time.Duration // after the last
	}{
		"one":                {starts: []time.Duration{0}, want: calmAfterStart},
		"one after another":  {starts: []time.Duration{0, 3 * time.Second, 6 * time.Second}, want: calmAfterStart},
		"four at once":       {starts: []time.Duration{0, 0, 0, 0}, want: calmAfterStart + 3*startCost/2},
		"and one later":      {starts: []time.Duration{0, 0, 0, 3 * time.Second}, want: calmAfterStart + startCost - 3*time.Second},
		"and one much later": {starts: []time.Duration{0, 0, 0, time.Minute}, want: calmAfterStart},
	} {
		var calm calm
		now := time.Unix(1000, 0)
		for _, at := range c.starts {
			calm.started(now.Add(at), 2)
		}
		if got := calm.until.Sub(now.Add(c.starts[len(c.starts)-1])); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

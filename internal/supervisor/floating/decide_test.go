package floating

import (
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	const lease = 3 * time.Second
	start := time.Now()
	for name, tc := range map[string]struct {
		observed observed
		after    time.Duration
		want     action
	}{
		"nobody has it":                         {observed{"", start}, 0, take},
		"another has it":                        {observed{"cp-2", start}, 0, wait},
		"another has it, but not for long":      {observed{"cp-2", start}, lease - 1, wait},
		"another has not renewed for too long":  {observed{"cp-2", start}, lease, take},
		"this one has it":                       {observed{"cp-1", start}, 0, renew},
		"this one has it, and comes back after": {observed{"cp-1", start}, time.Hour, renew},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decide(start.Add(tc.after), "cp-1", tc.observed, lease); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

package machine

import (
	"testing"
	"time"
)

func TestLag(t *testing.T) {
	at := func(millis int64) time.Time { return time.UnixMilli(1_000_000 + millis) }
	for name, tc := range map[string]struct {
		sent, received, guest int64
		behind                time.Duration
		worth                 bool
	}{
		"right":                    {0, 4, 2, 0, false},
		"a little":                 {0, 4, 10, -8 * time.Millisecond, false},
		"behind":                   {0, 4, -498, 500 * time.Millisecond, true},
		"ahead":                    {0, 4, 102, -100 * time.Millisecond, true},
		"within a slow answer":     {0, 1000, 100, 400 * time.Millisecond, false},
		"further than it was slow": {0, 1000, -1500, 2 * time.Second, true},
	} {
		behind, worth := lag(at(tc.sent), at(tc.received), at(tc.guest))
		if behind != tc.behind || worth != tc.worth {
			t.Errorf("%s: got %v %v", name, behind, worth)
		}
	}
}

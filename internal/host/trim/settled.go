package trim

import "time"

// A machine has settled when in a whole interval it wanted less than a tenth of a processor: what it waited for one counts, since on a
// busy host a machine that starts gets little.
const settledShare = 10

// young is the age up to which a machine is left alone: it may still wait for the pod that it is to start.
const young = 20 * time.Second

// learned is the least processor time since the last look at its cache after which that is worth another one: less is not enough to
// translate much.
const learned = 200 * time.Millisecond

// usage of a process since its start.
type usage struct {
	cpu    time.Duration
	wanted time.Duration // cpu, and the time that it waited for one
}

// seen is what is remembered of a process.
type seen struct {
	usage
	first  time.Time     // when it was seen first
	looked time.Duration // its processor time when its cache was last looked at
}

// settled tells whether a process is to be looked at more closely now, interval after it was seen last.
func (s seen) settled(now usage, at time.Time, interval time.Duration) bool {
	return at.Sub(s.first) >= young && now.wanted-s.wanted < interval/settledShare && now.cpu-s.looked >= learned
}

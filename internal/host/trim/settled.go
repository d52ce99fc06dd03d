package trim

import "time"

// A machine has settled when in a whole interval it took less than a tenth of a processor.
const settledShare = 10

// learned is the least processor time since the last look at its cache after which that is worth another one: less is not enough to
// translate much.
const learned = 200 * time.Millisecond

// seen is what is remembered of a process.
type seen struct {
	cpu    time.Duration // when it was last looked at
	looked time.Duration // its processor time when its cache was last looked at
}

// settled tells whether a process that has now taken cpu is to be looked at more closely, interval after before.
func (s seen) settled(cpu, interval time.Duration) bool {
	return cpu-s.cpu < interval/settledShare && cpu-s.looked >= learned
}

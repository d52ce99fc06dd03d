package keeper

import "time"

const (
	// A daemon that ran for this long was healthy; what ends it is a new story.
	healthyAfter = time.Minute
	firstDelay   = time.Second
	maxDelay     = 30 * time.Second
)

// backoff decides how long to wait before a daemon is started again: not at all the first time, then 1 s doubling to 30 s.
type backoff struct{ failures int }

func (b *backoff) next(ranFor time.Duration) time.Duration {
	if ranFor >= healthyAfter {
		b.failures = 0
	}
	b.failures++
	if b.failures == 1 {
		return 0
	}
	delay := firstDelay
	for range b.failures - 2 {
		if delay *= 2; delay >= maxDelay {
			return maxDelay
		}
	}
	return delay
}

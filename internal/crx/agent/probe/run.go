package probe

import (
	"context"
	"time"

	agentv1 "pacific/api/agent/v1"
)

// Run probes until ctx ends and reports when a threshold is reached: true for healthy, false for not. each is told the result
// of every check. The first check is made when the initial delay after started is over, the next ones a period apart.
func Run(ctx context.Context, t Target, p *agentv1.Probe, started time.Time, each func(Result), report func(healthy bool)) {
	count := counter{success: max(p.GetSuccessThreshold(), 1), failure: max(p.GetFailureThreshold(), 1)}
	timeout := seconds(max(p.GetTimeoutSeconds(), 1))
	timer := time.NewTimer(time.Until(started.Add(seconds(p.GetInitialDelaySeconds()))))
	defer timer.Stop()
	period := seconds(max(p.GetPeriodSeconds(), 1))
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		begun := time.Now()
		result := Check(ctx, t, p.GetHandler(), timeout)
		if ctx.Err() != nil {
			return
		}
		each(result)
		if result.Err == nil && count.reached(result.OK) {
			report(result.OK)
		}
		timer.Reset(max(period-time.Since(begun), 0))
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// counter counts equal results in a row.
type counter struct {
	success, failure int32
	last             bool
	run              int32
}

// reached tells whether the threshold for this result is reached, and again for every equal result that follows.
func (c *counter) reached(ok bool) bool {
	if c.run == 0 || c.last != ok {
		c.last, c.run = ok, 0
	}
	c.run++
	if ok {
		return c.run >= c.success
	}
	return c.run >= c.failure
}

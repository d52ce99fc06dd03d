package standby

import "time"

// calm is the time after starts in which no standby machine is made: the machines' own starts come first, and go on in the guests after
// hostd's part of them, while their containers start.
type calm struct {
	last  time.Time // start
	until time.Time
}

// calmAfterStart is for one start alone. The containers' start takes little longer, and the next pod shall not come too early.
const calmAfterStart = 500 * time.Millisecond

// Starts that are not burstGap apart are of a burst, as of a Deployment that is scaled; each takes startCost of processor time until
// its containers run, on an emulated processor with others beside it.
const (
	burstGap  = 2 * time.Second
	startCost = 3 * time.Second
)

// started notes that a machine has started on a host with so many processors.
func (c *calm) started(now time.Time, processors int) {
	if now.Sub(c.last) < burstGap {
		if c.until.Before(now) {
			c.until = now
		}
		c.until = c.until.Add(startCost / time.Duration(processors))
	}
	if least := now.Add(calmAfterStart); c.until.Before(least) {
		c.until = least
	}
	c.last = now
}

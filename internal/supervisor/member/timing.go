package member

import "time"

// Timing are the time limits between members. They hang together, so they are all multiples of one factor.
type Timing struct {
	// EtcdHeartbeat and EtcdElection are etcd's. In an election the members that have their say write to their disks.
	EtcdHeartbeat, EtcdElection time.Duration
	Floating                    FloatingTiming
	Leader                      LeaderTiming
}

// FloatingTiming is how the floating address moves. From the death of its holder to the next holder pass at most
// Lease + 2 Tick, and Hold + 1 s, the kernel's own delay, is over before that.
type FloatingTiming struct {
	// Tick is how often each member looks, and the holder renews.
	Tick time.Duration
	// Hold is how long after its last renewal the holder keeps the address. The kernel counts it in seconds.
	Hold time.Duration
	// Lease is how long the others wait after the last renewal that they saw.
	Lease time.Duration
}

// LeaderTiming is that of the election of who runs what only one may run; upstream's, see client-go's leaderelection.
type LeaderTiming struct{ Lease, Renew, Retry time.Duration }

// Timing of the member. What one member alone waits for is only itself.
func (c *Config) Timing() Timing {
	factor := time.Duration(c.TimeFactor)
	timing := Timing{
		EtcdHeartbeat: factor * 100 * time.Millisecond,
		EtcdElection:  factor * time.Second,
		Floating:      FloatingTiming{Tick: factor * 500 * time.Millisecond, Hold: factor * 2 * time.Second, Lease: factor*2*time.Second + 1500*time.Millisecond},
		Leader:        LeaderTiming{Lease: factor * 15 * time.Second, Renew: factor * 10 * time.Second, Retry: factor * 2 * time.Second},
	}
	if c.Alone() {
		timing.EtcdElection = factor * 500 * time.Millisecond
	}
	return timing
}

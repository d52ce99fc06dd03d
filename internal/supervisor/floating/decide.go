package floating

import "time"

// observed is what this member knows of the Lease.
type observed struct {
	// holder is empty when nobody has it.
	holder string
	// since is when this member first saw the record as it is; its own clock, so that clocks need not agree.
	since time.Time
}

// action of one member at one time.
type action string

const (
	wait action = "wait"
	// ask whether the member is healthy, and take the address if so.
	take  action = "take"
	renew action = "renew"
)

// decide what to do. The address moves only when its holder gave it back or died, never to a better one.
func decide(now time.Time, self string, o observed, lease time.Duration) action {
	switch {
	case o.holder == self:
		return renew
	case o.holder == "", now.Sub(o.since) >= lease:
		return take
	}
	return wait
}

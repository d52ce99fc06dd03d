package sts

import "time"

// Lives of assertions. A longer one that somebody asks for is cut to these.
const (
	// DefaultLife is for requests that name none.
	DefaultLife = 5 * time.Minute
	// MaxBearerLife is short, since whoever finds a bearer's assertion can use it.
	MaxBearerLife = time.Hour
	// MaxBearerTotal bounds renewals of a bearer's assertion: from the sign-in on.
	MaxBearerTotal = 24 * time.Hour
	// MaxHolderLife and MaxHolderTotal are for assertions that are bound to a key.
	MaxHolderLife  = 30 * 24 * time.Hour
	MaxHolderTotal = 90 * 24 * time.Hour
	// maxRenewals and maxDelegations are what a new assertion allows, if it allows any.
	maxRenewals    = 10
	maxDelegations = 10
)

// lifeOf a new assertion from now on, whose subject proved who it is at some time.
func lifeOf(wanted time.Duration, holder bool, proved, now time.Time) time.Duration {
	longest, total := MaxBearerLife, MaxBearerTotal
	if holder {
		longest, total = MaxHolderLife, MaxHolderTotal
	}
	if wanted <= 0 {
		wanted = DefaultLife
	}
	return min(wanted, longest, proved.Add(total).Sub(now))
}

package image

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// GarbagePolicy says when the datastore is full, as the kubelet's flags do.
type GarbagePolicy struct {
	// HighPercent of the datastore in use begins a collection, which ends at LowPercent.
	HighPercent, LowPercent uint64
	// MinAge is how long an image stays that nothing uses.
	MinAge time.Duration
}

// DefaultGarbagePolicy is the kubelet's.
var DefaultGarbagePolicy = GarbagePolicy{HighPercent: 85, LowPercent: 80, MinAge: 2 * time.Minute}

// Check tells what is wrong with a policy.
func (p GarbagePolicy) Check() error {
	if p.LowPercent >= p.HighPercent || p.HighPercent > 100 || p.MinAge < 0 {
		return fmt.Errorf("image garbage collection needs 0 <= low threshold < high threshold <= 100 and an age of at least 0, not %d, %d and %s",
			p.LowPercent, p.HighPercent, p.MinAge)
	}
	return nil
}

// space of a datastore, bytes.
type space struct{ size, free uint64 }

// excess is how much has to go; 0 below the high threshold.
func (p GarbagePolicy) excess(s space) uint64 {
	used := s.size - min(s.free, s.size)
	if s.size == 0 || used < s.size/100*p.HighPercent {
		return 0
	}
	return used - s.size/100*p.LowPercent
}

// candidate is an image as a collection sees it.
type candidate struct {
	digest   string
	bytes    uint64
	lastUsed time.Time
	inUse    bool
}

// collectable are the images to remove, in their order: the longest unused first, none that a machine uses or that is
// younger than minAge, until the wanted bytes are reached.
func collectable(now time.Time, wanted uint64, minAge time.Duration, all []candidate) (remove []candidate) {
	unused := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return c.inUse || now.Sub(c.lastUsed) < minAge })
	slices.SortFunc(unused, func(a, b candidate) int {
		return cmp.Or(a.lastUsed.Compare(b.lastUsed), cmp.Compare(a.digest, b.digest))
	})
	var found uint64
	for _, c := range unused {
		if found >= wanted {
			break
		}
		found += c.bytes
		remove = append(remove, c)
	}
	return remove
}

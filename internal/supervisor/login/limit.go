package login

import (
	"sync"
	"time"
)

const (
	// freeFailures may follow one another; then each takes a while to be forgiven. center locks users out besides; this
	// keeps a guesser from even asking it.
	freeFailures  = 10
	forgivenAfter = 10 * time.Second
	// maxGuessers bounds the memory that strangers can make us use.
	maxGuessers = 10000
)

// failures counts refused logins by where they come from.
type failures struct {
	now func() time.Time

	mu    sync.Mutex
	until map[string]time.Time // when the last failure of a source is forgiven
}

func newFailures(now func() time.Time) *failures {
	return &failures{now: now, until: map[string]time.Time{}}
}

// wait is how long a source has to wait before it may try, 0 if it may now.
func (f *failures) wait(source string) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, guessed := f.until[source]
	if !guessed {
		return 0
	}
	return max(0, until.Sub(f.now())-(freeFailures-1)*forgivenAfter)
}

// add counts a failure.
func (f *failures) add(source string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if len(f.until) >= maxGuessers {
		f.forget(now)
	}
	from := f.until[source]
	if from.Before(now) {
		from = now
	}
	f.until[source] = from.Add(forgivenAfter)
}

// forget drops what is forgiven; with too many guessers at work the one that is forgiven first.
func (f *failures) forget(now time.Time) {
	var first string
	for source, until := range f.until {
		if !until.After(now) {
			delete(f.until, source)
		} else if first == "" || until.Before(f.until[first]) {
			first = source
		}
	}
	if len(f.until) >= maxGuessers {
		delete(f.until, first)
	}
}

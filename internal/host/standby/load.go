package standby

import (
	"math"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// busyLoad is the load, for each processor, above which none is made unless the administrator has said how many, and
// workingLoad that above which no second one of a class is: each costs two or three seconds of processor time, which a busy host's
// machines need themselves. It is looked at again after loadInterval.
const (
	busyLoad     = 4
	workingLoad  = 2
	loadInterval = 10 * time.Second
)

// tolerable is the load up to which one more of a class is made.
func tolerable(have int) float64 {
	if have == 0 {
		return busyLoad
	}
	return workingLoad
}

// Load measures how many tasks run or want to, on average since the last time that it was asked, at least loadInterval ago.
type Load struct {
	mu       sync.Mutex
	at       time.Time
	average  float64 // the kernel's load average of a minute at that time
	measured float64
}

// PerProcessor is the load of each of the host's processors; 0 where it cannot be read.
func (l *Load) PerProcessor() float64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return l.measure(time.Now(), float64(info.Loads[0])/loadUnit) / float64(runtime.NumCPU())
}

// loadUnit is a load average of one, as sysinfo(2) has it (SI_LOAD_SHIFT).
const loadUnit = 1 << 16

// measure takes what was before out of the load average, which would tell of a busy minute long after it.
func (l *Load) measure(now time.Time, average float64) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	passed := now.Sub(l.at)
	switch {
	case l.at.IsZero():
		l.measured = average
	case passed < loadInterval:
		return l.measured
	default:
		rest := math.Exp(-passed.Minutes())
		l.measured = max((average-l.average*rest)/(1-rest), 0)
	}
	l.at, l.average = now, average
	return l.measured
}

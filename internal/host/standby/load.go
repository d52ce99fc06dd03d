package standby

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// busyLoad is the load average of a minute, for each processor, above which none is made unless the administrator has said how many, and
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

// loadUnit is a load average of one, as sysinfo(2) has it (SI_LOAD_SHIFT).
const loadUnit = 1 << 16

// Load is the host's load average of a minute for each of its processors; 0 where it cannot be read.
func Load() float64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return float64(info.Loads[0]) / loadUnit / float64(runtime.NumCPU())
}

package standby

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// busyLoad is the load average of a minute, for each processor, above which none is made unless the administrator has said how many:
// each costs two or three seconds of processor time, which a busy host's machines need themselves. It is looked at again after
// loadInterval.
const (
	busyLoad     = 4
	loadInterval = 10 * time.Second
)

// Load is the host's load average of a minute for each of its processors; 0 where it cannot be read.
func Load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load / float64(runtime.NumCPU())
}

package vmm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrSlow is the cause of the end of a context of [Patience].
var ErrSlow = errors.New("the VMM or its guest does not answer")

// most is the time after which even a VMM that never gets a processor is given up.
const most = 10

// Patience limits the time that a VMM, or its guest, has for something. What it waited for a processor does not count, so that on a
// busy host it is not given up, which would make the host busier. Ten times the limit is the end in any case.
func Patience(ctx context.Context, process *Process, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	begun, waited := time.Now(), process.Waited()
	var timer *time.Timer
	timer = time.AfterFunc(limit, func() {
		elapsed, delay := time.Since(begun), process.Waited()-waited
		left := remaining(elapsed, delay, limit)
		if left <= 0 {
			cancel(fmt.Errorf("%w: after %s, of which it waited %s for a processor", ErrSlow, elapsed.Round(time.Millisecond), delay.Round(time.Millisecond)))
			return
		}
		timer.Reset(left)
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// remaining is the least time after which the limit can be over.
func remaining(elapsed, waited, limit time.Duration) time.Duration {
	// Threads wait side by side: together they may have waited longer than there was time.
	waited = min(max(waited, 0), elapsed)
	return min(limit-(elapsed-waited), most*limit-elapsed)
}

// Waited is how long the process's threads have waited for a processor, 0 where the kernel does not tell. See
// Documentation/scheduler/sched-stats.rst of Linux.
func (id Identity) Waited() time.Duration {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", id.PID))
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			continue
		}
		if nanos, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			sum += time.Duration(nanos)
		}
	}
	return sum
}

package pid1

import (
	"time"

	"golang.org/x/sys/unix"
)

// maxSlew is what the kernel makes good in less than a quarter of an hour, 0.5 ms a second, without that anybody sees time jump.
const maxSlew = 400 * time.Millisecond

// correctClock puts the wall clock forward, or back.
func correctClock(behind time.Duration) error {
	if behind.Abs() > maxSlew {
		return stepClock(behind.Nanoseconds())
	}
	slew := unix.Timex{Modes: unix.ADJ_OFFSET_SINGLESHOT, Offset: behind.Microseconds()}
	_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &slew)
	return err
}

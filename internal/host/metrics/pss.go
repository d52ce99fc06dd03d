package metrics

import "pacific/internal/smaps"

// Proportional reads the proportional set size of a process.
func Proportional(pid int32) (uint64, bool) {
	if pid <= 0 {
		return 0, false
	}
	sum, err := smaps.Sum(int(pid))
	return uint64(sum.PSS), err == nil
}

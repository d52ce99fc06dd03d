package crx

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// rdtsc reads the time stamp counter of the processor it runs on.
func rdtsc() uint64

// MeasureTSC measures the frequency of the host's time stamp counter in kHz against the kernel's clock, in about 60 ms.
//
// It measures rather than asks: the kernel tells the figure only in its log, which may have wrapped or be forbidden, and
// BogoMIPS is not tied to it on every machine. One sample is good to the time of reading both clocks over 20 ms, some
// millionths; the median of three throws out one that the scheduler hit.
func MeasureTSC() uint64 {
	samples := []uint64{sampleTSC(), sampleTSC(), sampleTSC()}
	slices.Sort(samples)
	return samples[1]
}

func sampleTSC() uint64 {
	t0, c0 := readClocks()
	time.Sleep(20 * time.Millisecond)
	t1, c1 := readClocks()
	if t1 <= t0 || c1 <= c0 {
		return 0
	}
	return (c1 - c0) * 1_000_000 / (t1 - t0)
}

// readClocks reads both clocks as near to each other as it gets in a few tries.
func readClocks() (nanos, ticks uint64) {
	best := ^uint64(0)
	for range 20 {
		before := rdtsc()
		var now unix.Timespec
		if unix.ClockGettime(unix.CLOCK_MONOTONIC_RAW, &now) != nil {
			continue
		}
		after := rdtsc()
		if after-before < best {
			best, nanos, ticks = after-before, uint64(now.Nano()), before+(after-before)/2
		}
	}
	return nanos, ticks
}

package main

import (
	"context"
	"time"

	"github.com/prometheus/procfs"
)

// The machine is at rest when in three looks in a row its processors were idle for nine tenths of the time: starts and ends are over,
// what was translated for them is given back, and standby machines are made. That is longer than hostd waits, after a start or on a busy
// host, before it makes one. restLimit is for a machine that has other work.
const (
	restInterval = 7 * time.Second
	restIdle     = 0.9
	restLooks    = 3
	restLimit    = 3 * time.Minute
)

// rest waits until the machine is at rest.
func rest(ctx context.Context) error {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return err
	}
	before, err := proc.Stat()
	if err != nil {
		return err
	}
	for began, quiet := time.Now(), 0; quiet < restLooks; {
		if time.Since(began) > restLimit {
			progress("the machine has other work and does not come to rest; the figures are those of a busy machine")
			return nil
		}
		select {
		case <-time.After(restInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
		now, err := proc.Stat()
		if err != nil {
			return err
		}
		if idleShare(before.CPUTotal, now.CPUTotal) >= restIdle {
			quiet++
		} else {
			quiet = 0
		}
		before = now
	}
	return nil
}

// idleShare of the processors' time, 0 to 1.
func idleShare(before, after procfs.CPUStat) float64 {
	idle := after.Idle + after.Iowait - before.Idle - before.Iowait
	busy := after.User + after.Nice + after.System + after.IRQ + after.SoftIRQ + after.Steal -
		before.User - before.Nice - before.System - before.IRQ - before.SoftIRQ - before.Steal
	if idle+busy <= 0 {
		return 0
	}
	return idle / (idle + busy)
}

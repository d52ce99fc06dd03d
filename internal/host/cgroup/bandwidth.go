package cgroup

import (
	"fmt"
	"strconv"
	"strings"
)

// bandwidth is a limit of processor time: quota in each period, both in microseconds; quota below 0 for none. See the kernel's
// scheduler/sched-bwc.rst.
type bandwidth struct {
	quota  int64
	period uint64
}

var unbounded = bandwidth{quota: -1, period: 100_000}

// periods in microseconds, the best first. A short one keeps a pool's pauses short, and makes little of the quota that the kernel
// grants anew whenever somebody writes it.
var periods = []uint64{20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000}

// leastQuota is twice the least that the kernel takes: below, what the scheduler's tick takes too much weighs more than the quota.
const leastQuota = 2_000

// kernelLeastQuota cannot be undercut.
const kernelLeastQuota = 1_000

// bandwidthOf so many processors; 0 for no limit.
func bandwidthOf(processors float64) bandwidth {
	if processors <= 0 {
		return unbounded
	}
	var b bandwidth
	for _, period := range periods {
		b = bandwidth{quota: int64(processors*float64(period) + 0.5), period: period}
		if b.quota >= leastQuota {
			break
		}
	}
	b.quota = max(b.quota, kernelLeastQuota)
	return b
}

// processors is the inverse; 0 for no limit.
func (b bandwidth) processors() float64 {
	if b.quota < 0 || b.period == 0 {
		return 0
	}
	return float64(b.quota) / float64(b.period)
}

// below tells whether b is less than other.
func (b bandwidth) below(other bandwidth) bool {
	mine, others := b.processors(), other.processors()
	return mine > 0 && (others == 0 || mine < others)
}

// parseBandwidth reads cpu.max of version 2, or quota and period of version 1 with a space between.
func parseBandwidth(text string) (bandwidth, error) {
	var quota string
	b := bandwidth{quota: -1}
	if _, err := fmt.Sscan(text, &quota, &b.period); err != nil {
		return b, fmt.Errorf("CPU bandwidth %q: %w", strings.TrimSpace(text), err)
	}
	if quota == "max" || strings.HasPrefix(quota, "-") {
		return b, nil
	}
	var err error
	b.quota, err = strconv.ParseInt(quota, 10, 64)
	return b, err
}

// setting is a value for one of a group's files.
type setting struct{ file, value string }

// steps that bring a group from one bandwidth to another. In version 1 the kernel refuses a group more than its parent has after
// every single one, which no order of quota and period avoids; without a limit in between all are possible.
func steps(unified bool, from, to bandwidth) []setting {
	quota := strconv.FormatInt(to.quota, 10)
	switch {
	case from == to, from.quota < 0 && to.quota < 0:
		return nil
	case unified && to.quota < 0:
		return []setting{{"cpu.max", "max"}}
	case unified:
		return []setting{{"cpu.max", quota + " " + strconv.FormatUint(to.period, 10)}}
	case from.period == to.period || to.quota < 0:
		return []setting{{"cpu.cfs_quota_us", quota}}
	}
	return []setting{{"cpu.cfs_quota_us", "-1"}, {"cpu.cfs_period_us", strconv.FormatUint(to.period, 10)}, {"cpu.cfs_quota_us", quota}}
}

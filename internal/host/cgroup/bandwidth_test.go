package cgroup

import (
	"math"
	"slices"
	"testing"
)

func TestBandwidthOf(t *testing.T) {
	for processors, want := range map[float64]bandwidth{
		0:      unbounded,
		0.409:  {8180, 20_000},
		2:      {40_000, 20_000},
		0.1:    {2000, 20_000},
		0.05:   {2500, 50_000},
		0.01:   {2000, 200_000},
		0.0021: {2100, 1_000_000},
		0.0001: {1000, 1_000_000}, // the least that there is
	} {
		have := bandwidthOf(processors)
		if have != want {
			t.Errorf("%v processors: %v, want %v", processors, have, want)
		}
		if processors > 0.001 && math.Abs(have.processors()/processors-1) > 0.001 {
			t.Errorf("%v processors become %v", processors, have.processors())
		}
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		a, b bandwidth
		want bool
	}{
		{unbounded, unbounded, false},
		{unbounded, bandwidthOf(1), false},
		{bandwidthOf(1), unbounded, true},
		{bandwidthOf(1), bandwidthOf(2), true},
		{bandwidthOf(0.5), bandwidthOf(0.01), false},
	} {
		if c.a.below(c.b) != c.want {
			t.Errorf("%v below %v: %v", c.a, c.b, !c.want)
		}
	}
}

func TestStepsOfBothVersions(t *testing.T) {
	for name, c := range map[string]struct {
		unified  bool
		from, to bandwidth
		want     []setting
	}{
		"v1, first":      {false, unbounded, bandwidth{8000, 20_000}, []setting{{"cpu.cfs_quota_us", "-1"}, {"cpu.cfs_period_us", "20000"}, {"cpu.cfs_quota_us", "8000"}}},
		"v1, more":       {false, bandwidth{8000, 20_000}, bandwidth{9000, 20_000}, []setting{{"cpu.cfs_quota_us", "9000"}}},
		"v1, the period": {false, bandwidth{8000, 20_000}, bandwidth{2500, 50_000}, []setting{{"cpu.cfs_quota_us", "-1"}, {"cpu.cfs_period_us", "50000"}, {"cpu.cfs_quota_us", "2500"}}},
		"v1, no limit":   {false, bandwidth{8000, 20_000}, unbounded, []setting{{"cpu.cfs_quota_us", "-1"}}},
		"v1, none yet":   {false, bandwidth{-1, 20_000}, unbounded, nil},
		"v1, the same":   {false, bandwidth{8000, 20_000}, bandwidth{8000, 20_000}, nil},
		"v2, first":      {true, unbounded, bandwidth{8000, 20_000}, []setting{{"cpu.max", "8000 20000"}}},
		"v2, the same":   {true, bandwidth{8000, 20_000}, bandwidth{8000, 20_000}, nil},
		"v2, no limit":   {true, bandwidth{8000, 20_000}, unbounded, []setting{{"cpu.max", "max"}}},
		"v2, none yet":   {true, bandwidth{-1, 20_000}, unbounded, nil},
	} {
		if have := steps(c.unified, c.from, c.to); !slices.Equal(have, c.want) {
			t.Errorf("%s: %v, want %v", name, have, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]bandwidth{
		"max 100000\n": {-1, 100_000}, "8000 20000\n": {8000, 20_000}, "-1 100000": {-1, 100_000},
	} {
		if have, err := parseBandwidth(text); have != want || err != nil {
			t.Errorf("%q: %v %v, want %v", text, have, err, want)
		}
	}
	if _, err := parseBandwidth("what"); err == nil {
		t.Error("nonsense was accepted")
	}
	for text, want := range map[string]uint64{"max\n": noMemoryLimit, "9223372036854771712\n": noMemoryLimit, "1048576\n": 1 << 20} {
		if have, err := parseMemory(text); have != want || err != nil {
			t.Errorf("%q: %v %v, want %v", text, have, err, want)
		}
	}
}

func TestMemoryIsNotLimitedBelowItsUse(t *testing.T) {
	for _, c := range []struct{ limit, used, want uint64 }{
		{1 << 30, 100 << 20, 1 << 30},
		{1 << 30, 2 << 30, 2080 << 20},
		{0, 0, 0},
		{0, 1, 1 << 20},
	} {
		if have := atLeast(c.limit, c.used); have != c.want {
			t.Errorf("limit %d, used %d: %d, want %d", c.limit, c.used, have, c.want)
		}
	}
}

func TestEffectiveLimit(t *testing.T) {
	pools := map[string]PoolLimits{"a": {Processors: 1}, "a/b": {Processors: 2}, "a/b/c": {Processors: 0.5}, "d/e": {Processors: 1}}
	for pool, want := range map[string]float64{"a": 1, "a/b": 1, "a/b/c": 0.5, "a/x": 1, "d": 0, "d/e": 1, "": 0} {
		if have := effective(pools, pool); have != want {
			t.Errorf("%q: %v, want %v", pool, have, want)
		}
	}
}

package cgroup

import (
	"testing"

	"github.com/opencontainers/cgroups"
)

func TestUsageOfBothVersions(t *testing.T) {
	for version, names := range map[string]map[string]uint64{
		"v1": {"inactive_file": 1, "total_inactive_file": 30, "rss": 2, "total_rss": 50},
		"v2": {"inactive_file": 30, "anon": 50},
	} {
		stats := &cgroups.Stats{MemoryStats: cgroups.MemoryStats{Usage: cgroups.MemoryData{Usage: 100}, Stats: names}}
		stats.CpuStats.CpuUsage.TotalUsage = 7
		want := Usage{CPUNanoseconds: 7, MemoryBytes: 100, WorkingSet: 70, RSS: 50}
		if have := usageOf(stats); have != want {
			t.Errorf("%s: got %+v, want %+v", version, have, want)
		}
	}
}

func TestTotalWithoutMachinesIsNothing(t *testing.T) {
	usage, err := New("/pacific-test-that-does-not-exist").Total()
	if err != nil || usage != (Usage{}) {
		t.Errorf("got %+v, %v", usage, err)
	}
}

package node

import (
	"errors"
	"maps"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/spherelet/eviction"
)

func TestStatus(t *testing.T) {
	m := Machine{Name: "host-1", IPs: []string{"192.0.2.1"}, Port: 10250, MaxPods: 110}
	host := &hostv1.GetHostResponse{Version: "1.2", Cpus: 4, MemoryBytes: 8 << 30, StorageBytes: 100, StorageFreeBytes: 50}
	start := time.Unix(1000, 0)
	is := func(s v1.NodeStatus, t v1.NodeConditionType) v1.NodeCondition {
		for _, c := range s.Conditions {
			if c.Type == t {
				return c
			}
		}
		return v1.NodeCondition{}
	}
	first := Status(v1.NodeStatus{}, m, Observation{Host: host}, start)
	if first.Capacity.Cpu().Value() != 4 || first.Capacity.Pods().Value() != 110 || first.NodeInfo.ContainerRuntimeVersion != "crx://1.2" {
		t.Errorf("status: %+v", first)
	}
	if is(first, v1.NodeReady).Status != v1.ConditionTrue || is(first, v1.NodeNetworkUnavailable).Status != v1.ConditionFalse {
		t.Errorf("conditions: %+v", first.Conditions)
	}
	same := Status(first, m, Observation{Host: host}, start.Add(time.Hour))
	if changed(first, same) {
		t.Error("the same facts give another status")
	}
	lost := Status(first, m, Observation{Host: host, Problem: errors.New("connection refused"), Pressures: []v1.NodeConditionType{v1.NodeMemoryPressure}}, start.Add(time.Hour))
	if c := is(lost, v1.NodeReady); c.Status != v1.ConditionFalse || c.Reason != "HypervisorNotReachable" || !c.LastTransitionTime.Equal(&c.LastHeartbeatTime) {
		t.Errorf("ready: %+v", c)
	}
	if is(lost, v1.NodeMemoryPressure).Status != v1.ConditionTrue || is(lost, v1.NodeDiskPressure).Status != v1.ConditionFalse {
		t.Errorf("pressure: %+v", lost.Conditions)
	}
	down := Status(first, m, Observation{Host: host, NotReady: errors.New("node is shutting down")}, start)
	if c := is(down, v1.NodeReady); c.Status != v1.ConditionFalse || c.Message != "node is shutting down" {
		t.Errorf("ready: %+v", c)
	}
}

// An administrator, or a test, gives a node a resource by a patch of its status.
func TestExtendedResourcesStay(t *testing.T) {
	m, host := Machine{Name: "host-1", MaxPods: 110}, &hostv1.GetHostResponse{Cpus: 4}
	status := Status(v1.NodeStatus{}, m, Observation{Host: host}, time.Unix(1000, 0))
	const foo, gone = v1.ResourceName("example.com/foo"), v1.ResourceName("example.com/gone")
	status.Capacity[foo], status.Allocatable[gone] = resource.MustParse("5"), resource.MustParse("1")
	got := Status(status, m, Observation{Host: host}, time.Unix(1010, 0))
	if got.Capacity.Name(foo, "").Value() != 5 || got.Allocatable.Name(foo, "").Value() != 5 || got.Capacity.Cpu().Value() != 4 {
		t.Errorf("capacity %v, allocatable %v", got.Capacity, got.Allocatable)
	}
	if _, ok := got.Allocatable[gone]; ok {
		t.Errorf("allocatable but no capacity: %v", got.Allocatable)
	}
}

func TestLevels(t *testing.T) {
	host := &hostv1.GetHostResponse{MemoryBytes: 1000, MemoryUsedBytes: 900, StorageBytes: 100, StorageFreeBytes: 7, StorageInodes: 10, StorageFreeInodes: 1}
	pids := eviction.Level{Available: 5, Capacity: 50}
	got := levels(host, 50, pids)
	want := map[eviction.Signal]eviction.Level{
		eviction.MemoryAvailable: {Available: 50, Capacity: 1000}, eviction.NodeFSAvailable: {Available: 7, Capacity: 100},
		eviction.NodeFSInodes: {Available: 1, Capacity: 10}, eviction.PIDAvailable: pids,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := levels(host, 5000, pids)[eviction.MemoryAvailable].Available; got != 100 {
		t.Errorf("%d available of a budget of which 100 are left", got)
	}
	if got := levels(nil, 50, pids); len(got) != 1 {
		t.Errorf("without hostd: %v", got)
	}
}

func TestImages(t *testing.T) {
	got := images([]*hostv1.Image{{Digest: "sha256:a", SizeBytes: 1}, {References: []string{"r:2", "r:1"}, SizeBytes: 9}})
	if len(got) != 2 || got[0].Names[0] != "r:1" || got[0].SizeBytes != 9 || got[1].Names[0] != "sha256:a" {
		t.Errorf("%+v", got)
	}
}

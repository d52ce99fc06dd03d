package node

import (
	"errors"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
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
	first := Status(v1.NodeStatus{}, m, Observation{Host: host, MemoryAvailable: 1 << 30}, start)
	if first.Capacity.Cpu().Value() != 4 || first.Capacity.Pods().Value() != 110 || first.NodeInfo.ContainerRuntimeVersion != "crx://1.2" {
		t.Errorf("status: %+v", first)
	}
	if is(first, v1.NodeReady).Status != v1.ConditionTrue || is(first, v1.NodeNetworkUnavailable).Status != v1.ConditionFalse {
		t.Errorf("conditions: %+v", first.Conditions)
	}
	same := Status(first, m, Observation{Host: host, MemoryAvailable: 1 << 30}, start.Add(time.Hour))
	if changed(first, same) {
		t.Error("the same facts give another status")
	}
	lost := Status(first, m, Observation{Host: host, Problem: errors.New("connection refused"), MemoryAvailable: 1}, start.Add(time.Hour))
	if c := is(lost, v1.NodeReady); c.Status != v1.ConditionFalse || c.Reason != "HypervisorNotReachable" || !c.LastTransitionTime.Equal(&c.LastHeartbeatTime) {
		t.Errorf("ready: %+v", c)
	}
	if is(lost, v1.NodeMemoryPressure).Status != v1.ConditionTrue || is(lost, v1.NodeDiskPressure).Status != v1.ConditionFalse {
		t.Errorf("pressure: %+v", lost.Conditions)
	}
	host.StorageFreeBytes = 4
	if is(Status(first, m, Observation{Host: host}, start), v1.NodeDiskPressure).Status != v1.ConditionTrue {
		t.Error("a full datastore is no pressure")
	}
}

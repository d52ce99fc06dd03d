package node

import (
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	nodeapi "pacific/api/node"
)

func TestLoadIsARate(t *testing.T) {
	start := time.Unix(1000, 0)
	load := func(millis, memory int64) *nodeapi.Load { return &nodeapi.Load{CPUMillis: millis, MemoryBytes: memory} }
	var u usage
	for _, step := range []struct {
		name    string
		seconds int
		cpu     time.Duration
		want    *nodeapi.Load
	}{
		{"one point is no rate", 0, time.Hour, nil},
		{"half a processor", 10, time.Hour + 5*time.Second, load(500, 10)},
		{"too soon: as before", 12, time.Hour + 7*time.Second, load(500, 10)},
		{"two processors", 20, time.Hour + 25*time.Second, load(2000, 20)},
		{"the count began anew", 30, time.Second, nil},
		{"and goes on", 40, 2 * time.Second, load(100, 40)},
		{"long ago says nothing", 140, time.Minute, nil},
	} {
		host := &hostv1.GetHostResponse{MachinesCpuNanoseconds: uint64(step.cpu), MemoryUsedBytes: uint64(step.seconds)}
		u = u.next(host, start.Add(time.Duration(step.seconds)*time.Second))
		if (u.load == nil) != (step.want == nil) || u.load != nil && *u.load != *step.want {
			t.Errorf("%s: %v, want %v", step.name, u.load, step.want)
		}
	}
}

func TestTheLeaseCarriesTheLoad(t *testing.T) {
	a := NewAgent(Machine{Name: "host-1"}, nil, nil, nil)
	a.node = &v1.Node{}
	a.used = usage{at: time.Now(), load: &nodeapi.Load{CPUMillis: 1500, MemoryBytes: 1 << 20}}
	lease := &coordinationv1.Lease{}
	if err := a.prepareLease(lease); err != nil || len(lease.OwnerReferences) != 1 {
		t.Fatalf("%v, %v", lease, err)
	}
	if got, err := nodeapi.ParseLoad(lease.Annotations[nodeapi.AnnotationLoad]); err != nil || got != *a.used.load {
		t.Errorf("%v, %v", got, err)
	}
	a.lost = errors.New("hostd does not answer")
	if err := a.prepareLease(lease); err != nil || lease.Annotations[nodeapi.AnnotationLoad] != "" {
		t.Errorf("the load is still there while nothing is known: %v", lease.Annotations)
	}
}

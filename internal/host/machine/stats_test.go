package machine

import (
	"testing"

	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/port"
)

func TestMeterGoesOn(t *testing.T) {
	var c meter
	for i, step := range []struct{ value, want uint64 }{{5, 5}, {9, 9}, {9, 9}, {2, 11}, {3, 12}, {0, 12}, {0, 12}, {4, 16}} {
		if have := c.add(step.value); have != step.want {
			t.Errorf("step %d: %d, want %d", i, have, step.want)
		}
	}
}

func TestPortTraffic(t *testing.T) {
	spec := &hostv1.VirtualMachineSpec{Id: "a", Ports: []*hostv1.Port{{Name: "eth0"}, {Name: "eth1"}}}
	have := portTraffic(spec, map[string]port.Traffic{port.Name("a", 1): {ReceivedBytes: 1, SentBytes: 2}})
	want := &hostv1.PortTraffic{Name: "eth1", ReceivedBytes: 1, SentBytes: 2}
	if len(have) != 1 || !proto.Equal(have[0], want) {
		t.Errorf("got %v, want %v", have, want)
	}
}

func TestOwnUsageIsReal(t *testing.T) {
	if u := ownUsage(); u.CpuNanoseconds == 0 || u.MemoryRssBytes < 1<<20 {
		t.Errorf("got %v", u)
	}
}

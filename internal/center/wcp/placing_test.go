package wcp

import (
	"strings"
	"testing"

	"pacific/internal/center/placement"
)

func room(memoryMiB, usedMiB int64) placement.Host {
	return placement.Host{CPUs: 4, Capacity: placement.Resources{CPUMHz: 8000, MemoryBytes: memoryMiB << 20}, Reserved: placement.Resources{MemoryBytes: usedMiB << 20}}
}

func TestMembersGoWhereTheirMachinesFit(t *testing.T) {
	s := &step{
		Supervisor: Supervisor{Plan: Plan{Size: "TINY", Count: 3, Deployment: VM}, Members: []Member{{Name: "control-plane-1", Host: "host-1", Deployment: VM}}},
		facts: Facts{Hosts: []Host{
			{Name: "host-1", Room: room(8192, 0)}, {Name: "host-2", Room: room(8192, 6000)}, {Name: "host-3", Room: room(8192, 7000)},
			{Name: "host-4", Room: room(8192, 0), Unfit: "in maintenance"}, {Name: "host-5", Room: room(8192, 100)},
		}},
	}
	var names []string
	for _, h := range s.candidates() {
		names = append(names, h.Name)
	}
	if got := strings.Join(names, " "); got != "host-5 host-2" {
		t.Errorf("candidates are %s", got)
	}
	if got := s.unfit(); !strings.Contains(got, "host-3: 344 MiB of memory short") || !strings.Contains(got, "host-4: in maintenance") || strings.Contains(got, "host-1") {
		t.Error(got)
	}
	// A process needs no memory of a machine's size.
	s.Members[0].Deployment = Process
	if got := s.candidates(); len(got) != 3 || strings.Contains(s.unfit(), "host-3") {
		t.Errorf("%v, %s", got, s.unfit())
	}
}

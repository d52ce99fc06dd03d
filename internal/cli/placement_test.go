package cli

import (
	"strings"
	"testing"
)

func TestShapesOfMachines(t *testing.T) {
	q, err := shape{count: 1, cpus: 2, memory: "4Gi", reservation: "1000000"}.question("cluster-1")
	if err != nil || q["memory_mib"] != int64(4096) || q["memory_reservation_mib"] != int64(1) || q["cluster"] != "cluster-1" {
		t.Errorf("%v, %v", q, err)
	}
	for text, s := range map[string]shape{
		"--cpus":               {memory: "1Gi"},
		"--memory \"much\"":    {cpus: 1, memory: "much"},
		"--memory-reservation": {cpus: 1, memory: "1Gi", reservation: "-1"},
	} {
		if _, err := s.question(""); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := run(t, "", "placement", "explain", "vm-1", "--cpus", "2"); err == nil || !strings.Contains(err.Error(), "--cpus") {
		t.Error(err)
	}
}

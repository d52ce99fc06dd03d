package center

import (
	"testing"

	"pacific/internal/center/namespaces"
)

func TestPoolOfANamespace(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	p := poolOf(namespaces.Pool{
		Name: "team-a", ID: "resgroup-7", Cluster: "domain-c1", CPULimitMHz: number(1000), MemoryLimitMiB: number(1024), CPUShares: number(4000), CPUReservationMHz: number(0),
	})
	if p.Path != "team-a" || p.Cluster != "domain-c1" || *p.CPUMHz != 1000 || *p.MemoryBytes != 1<<30 || p.Shares != 4000 || p.ReservedMHz != 0 {
		t.Errorf("%+v", p)
	}
	if p := poolOf(namespaces.Pool{Name: "b", CPULimitMHz: number(0)}); p.CPUMHz != nil || p.MemoryBytes != nil {
		t.Errorf("without limits: %+v", p)
	}
}

package cli

import (
	"strings"
	"testing"
	"text/tabwriter"

	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
)

func TestWritePools(t *testing.T) {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	writePools(w, &hostv1.ListPoolsResponse{Pools: []*hostv1.PoolStatus{
		{Pool: &hostv1.Pool{Path: "kube-system"}, Machines: 1, Usage: &hostv1.Usage{CpuNanoseconds: 1_500_000_000, MemoryBytes: 99 << 20}, MemoryReservedBytes: 36 << 20},
		{
			Pool: &hostv1.Pool{Path: "team-a", CpuLimitMhz: proto.Uint64(333), MemoryLimitBytes: proto.Uint64(341 << 20), CpuReservationMhz: 100, MemoryReservationBytes: 64 << 20},
			Set:  true, Periods: 200, PeriodsThrottled: 150,
		},
	}})
	w.Flush()
	want := `POOL         MACHINES  CPU LIMIT  CPU RESERVED  CPU TIME  THROTTLED  MEMORY LIMIT  MEMORY RESERVED  MEMORY USED
kube-system  1         none       0 MHz         1.5 s     -          none          36 MiB           99 MiB
team-a       0         333 MHz    100 MHz       0.0 s     75%        341 MiB       64 MiB           0 MiB
`
	if out.String() != want {
		t.Errorf("got:\n%s", out.String())
	}
}

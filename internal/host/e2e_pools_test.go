//go:build e2e

package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
)

// Real machines that work all the time, in pools with and without limits, over a death of hostd.
func TestResourcePools(t *testing.T) {
	h := newHost(t, "--templates", "")
	pools := hostv1.NewPoolsClient(h.conn)
	set := func(p *hostv1.Pool) error {
		_, err := pools.SetPool(h.ctx(), &hostv1.SetPoolRequest{Pool: p})
		return err
	}
	const limit = 500
	h.must(set(&hostv1.Pool{Path: "team-a", CpuLimitMhz: proto.Uint64(limit)}))
	for id, pool := range map[string]string{"a-1": "team-a", "a-2": "team-a/db", "b-1": "team-b"} {
		spec := crxSpec(id)
		spec.ResourcePool = pool
		if answer := h.say(h.boot(spec), "spin"); answer != "echo spin" {
			t.Fatal(answer)
		}
	}
	t.Run("a limit holds", func(t *testing.T) { limitHolds(t, h, pools, limit) })
	t.Run("it outlives hostd", func(t *testing.T) {
		h.kill()
		h.start()
		var list *hostv1.ListPoolsResponse
		h.again(func() error {
			var err error
			list, err = pools.ListPools(h.ctx(), &hostv1.ListPoolsRequest{})
			return err
		})
		if p := poolNamed(list, "team-a"); p.GetPool().GetCpuLimitMhz() != limit || p.GetMachines() != 2 || !p.GetSet() || p.GetUsage().GetCpuNanoseconds() == 0 {
			t.Errorf("%v", p)
		}
		limitHolds(t, h, pools, limit)
	})
	t.Run("a reservation holds on a full host", func(t *testing.T) { reservationHolds(t, h, pools, set) })
	t.Run("memory", func(t *testing.T) { memoryIsLimited(t, h, set) })
	for _, id := range []string{"a-1", "a-2", "b-1"} {
		h.destroy(id)
	}
	list, err := pools.ListPools(h.ctx(), &hostv1.ListPoolsRequest{})
	h.must(err)
	if p := poolNamed(list, "team-a"); p.GetMachines() != 0 || p.GetUsage().GetCpuNanoseconds() == 0 {
		t.Errorf("what gone machines used is forgotten: %v", p)
	}
	for range 2 {
		_, err := pools.DeletePool(h.ctx(), &hostv1.DeletePoolRequest{Path: "team-a"})
		h.must(err)
	}
	h.empty()
}

// measured use of the pools in MHz over some seconds.
func measured(h *host, pools hostv1.PoolsClient, over time.Duration) (mhz func(path string) float64, throttled func(path string) float64) {
	h.t.Helper()
	before, err := pools.ListPools(h.ctx(), &hostv1.ListPoolsRequest{})
	h.must(err)
	time.Sleep(over) // the time that is measured
	after, err := pools.ListPools(h.ctx(), &hostv1.ListPoolsRequest{})
	h.must(err)
	took := after.At.AsTime().Sub(before.At.AsTime())
	mhz = func(path string) float64 {
		used := poolNamed(after, path).GetUsage().GetCpuNanoseconds() - poolNamed(before, path).GetUsage().GetCpuNanoseconds()
		return float64(used) / float64(took.Nanoseconds()) * float64(after.MhzPerCore)
	}
	throttled = func(path string) float64 {
		a, b := poolNamed(after, path), poolNamed(before, path)
		return float64(a.GetPeriodsThrottled()-b.GetPeriodsThrottled()) / float64(max(a.GetPeriods()-b.GetPeriods(), 1))
	}
	return mhz, throttled
}

func limitHolds(t *testing.T, h *host, pools hostv1.PoolsClient, limit float64) {
	mhz, throttled := measured(h, pools, 5*time.Second)
	a, b := mhz("team-a"), mhz("team-b")
	t.Logf("team-a uses %.1f of %v MHz, throttled in %.0f%% of the periods; team-b uses %.0f MHz", a, limit, 100*throttled("team-a"), b)
	if a > limit*1.05 {
		t.Errorf("team-a uses %.1f MHz of %v", a, limit)
	}
	if throttled("team-a") > 0.98 && a < limit*0.95 { // else the machine had no time for it
		t.Errorf("team-a gets %.1f MHz of %v, and was throttled all the time", a, limit)
	}
}

// reservationHolds where one machine has a reservation, and two others want everything and weigh more.
func reservationHolds(t *testing.T, h *host, pools hostv1.PoolsClient, set func(*hostv1.Pool) error) {
	info, err := h.host.GetHost(h.ctx(), &hostv1.GetHostRequest{})
	h.must(err)
	all := uint64(info.Cpus) * uint64(info.MhzPerCore)
	if err := set(&hostv1.Pool{Path: "team-c", CpuReservationMhz: all + 1}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a reservation of more than the host has: %v", err)
	}
	reserved := uint64(info.MhzPerCore) * 7 / 10
	h.must(set(&hostv1.Pool{Path: "team-a"}))
	var others []string
	for i := range info.Cpus {
		spec := crxSpec("c-" + string(rune('a'+i)))
		spec.ResourcePool = "team-a"
		h.say(h.boot(spec), "spin")
		others = append(others, spec.Id)
	}
	h.must(set(&hostv1.Pool{Path: "team-b", CpuReservationMhz: reserved}))
	h.must(set(&hostv1.Pool{Path: "team-a", Shares: 20480}))
	mhz, _ := measured(h, pools, 5*time.Second)
	b, a := mhz("team-b"), mhz("team-a")
	// What the machines got together is what there was; the rest of this computer may be busy. By shares it would be a twentieth.
	want := float64(reserved) * (a + b) / float64(all)
	t.Logf("team-b gets %.0f MHz of %d reserved, team-a %.0f MHz; together %.0f%% of the host", b, reserved, a, 100*(a+b)/float64(all))
	if b < 0.7*want {
		t.Errorf("team-b gets %.0f MHz; %.0f were reserved of what there was", b, want)
	}
	h.must(set(&hostv1.Pool{Path: "team-b"}))
	for _, id := range others {
		h.destroy(id)
	}
	_, err = pools.DeletePool(h.ctx(), &hostv1.DeletePoolRequest{Path: "team-b"})
	h.must(err)
}

func memoryIsLimited(t *testing.T, h *host, set func(*hostv1.Pool) error) {
	spec := crxSpec("m-1")
	spec.ResourcePool = "team-m"
	create := func(ctx context.Context) error {
		_, err := h.machines.Create(ctx, &hostv1.CreateRequest{Spec: spec, Start: true})
		return err
	}
	h.must(set(&hostv1.Pool{Path: "team-m", MemoryLimitBytes: proto.Uint64(100 << 20)}))
	err := create(h.ctx())
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "resource pool team-m may use 100 MiB") {
		t.Errorf("%v", err)
	}
	// Where the pool has more on other hosts a start waits for that to come.
	h.must(set(&hostv1.Pool{Path: "team-m", MemoryLimitBytes: proto.Uint64(100 << 20), MemoryLimitAllHostsBytes: proto.Uint64(300 << 20)}))
	done := make(chan error, 1)
	go func() { done <- create(h.ctx()) }()
	list := hostv1.NewPoolsClient(h.conn)
	for range 100 {
		pools, err := list.ListPools(h.ctx(), &hostv1.ListPoolsRequest{})
		h.must(err)
		if poolNamed(pools, "team-m").GetMemoryWantedBytes() == spec.MemoryBytes {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.must(set(&hostv1.Pool{Path: "team-m", MemoryLimitBytes: proto.Uint64(250 << 20), MemoryLimitAllHostsBytes: proto.Uint64(300 << 20)}))
	h.must(<-done)
	h.await("m-1", ready)
	// A limit below what runs ends nothing, and lets nothing start.
	h.must(set(&hostv1.Pool{Path: "team-m", MemoryLimitBytes: proto.Uint64(10 << 20)}))
	if answer := h.say(h.await("m-1", ready), "hello"); answer != "echo hello" {
		t.Error(answer)
	}
	h.destroy("m-1")
	_, err = list.DeletePool(h.ctx(), &hostv1.DeletePoolRequest{Path: "team-m"})
	h.must(err)
}

func poolNamed(list *hostv1.ListPoolsResponse, path string) *hostv1.PoolStatus {
	for _, p := range list.GetPools() {
		if p.GetPool().GetPath() == path {
			return p
		}
	}
	return nil
}

package pool

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/cgroup"
)

const mib = 1 << 20

func newPools(t *testing.T, dir string) *Pools {
	t.Helper()
	p, err := Open(Config{
		HostName: "host-1", StateDir: dir, Cgroups: cgroup.New(fmt.Sprintf("/pacific-pool-%d", os.Getpid())),
		MHzPerCore: 2000, CPUs: 4, MemoryBytes: 1000 * mib,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestValidation(t *testing.T) {
	p := newPools(t, t.TempDir())
	for name, c := range map[string]struct {
		pool *hostv1.Pool
		want codes.Code
	}{
		"empty path":               {&hostv1.Pool{}, codes.InvalidArgument},
		"path upwards":             {&hostv1.Pool{Path: "a/../b"}, codes.InvalidArgument},
		"path of a machine":        {&hostv1.Pool{Path: "a.vm"}, codes.InvalidArgument},
		"no processor time":        {&hostv1.Pool{Path: "a", CpuLimitMhz: new(uint64)}, codes.InvalidArgument},
		"CPU limit too low":        {&hostv1.Pool{Path: "a", CpuLimitMhz: proto.Uint64(10), CpuReservationMhz: 11}, codes.InvalidArgument},
		"memory limit too low":     {&hostv1.Pool{Path: "a", MemoryLimitBytes: proto.Uint64(10), MemoryReservationBytes: 11}, codes.InvalidArgument},
		"too many shares":          {&hostv1.Pool{Path: "a", Shares: 1 << 20}, codes.InvalidArgument},
		"more MHz than the host":   {&hostv1.Pool{Path: "a", CpuReservationMhz: 8001}, codes.ResourceExhausted},
		"more memory than is left": {&hostv1.Pool{Path: "a", MemoryReservationBytes: 801 * mib}, codes.ResourceExhausted},
		"what fits":                {&hostv1.Pool{Path: "a", CpuReservationMhz: 8000, MemoryReservationBytes: 800 * mib}, codes.OK},
		"its members count once":   {&hostv1.Pool{Path: "b/c", MemoryReservationBytes: 1000 * mib}, codes.OK},
		"no memory at all":         {&hostv1.Pool{Path: "a", MemoryLimitBytes: new(uint64)}, codes.OK},
	} {
		err := p.Put(c.pool, []Member{{ID: "m", Pool: "b/c", Reserved: 200 * mib}})
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		p.Drop(c.pool.GetPath())
	}
}

func TestReservationsOfPoolsAndMachines(t *testing.T) {
	pools := byPath{
		"a":     {Path: "a", MemoryReservationBytes: 300, CpuReservationMhz: 10},
		"a/b/c": {Path: "a/b/c", MemoryReservationBytes: 200, CpuReservationMhz: 20},
		"d":     {Path: "d", MemoryReservationBytes: 50},
	}
	for name, c := range map[string]struct {
		members []Member
		want    uint64
	}{
		"no machines":                {nil, 350},
		"one of the host":            {[]Member{{Reserved: 7}}, 357},
		"one that its pool keeps":    {[]Member{{Pool: "d", Reserved: 50}}, 350},
		"one beyond":                 {[]Member{{Pool: "d", Reserved: 60}}, 360},
		"one of a pool nobody set":   {[]Member{{Pool: "x", Reserved: 7}}, 357},
		"below and above the kept":   {[]Member{{Pool: "a/b/c", Reserved: 250}, {Pool: "a/b", Reserved: 60}}, 360},
		"beside what is kept below":  {[]Member{{Pool: "a", Reserved: 100}}, 350},
		"beside, more than is there": {[]Member{{Pool: "a", Reserved: 101}}, 351},
	} {
		if have := pools.memory(c.members); have != c.want {
			t.Errorf("%s: %d, want %d", name, have, c.want)
		}
	}
	if have := pools.processors(); have != 20 {
		t.Errorf("%d MHz are reserved, want 20: a pool has what is reserved in it", have)
	}
}

func TestRefusal(t *testing.T) {
	pools := byPath{
		"a":   {Path: "a", MemoryLimitBytes: proto.Uint64(1000), MemoryLimitAllHostsBytes: proto.Uint64(2000)},
		"a/b": {Path: "a/b", MemoryLimitBytes: proto.Uint64(5000)},
		"c":   {Path: "c"},
	}
	running := []Member{{ID: "1", Pool: "a/b", Reserved: 400}, {ID: "2", Pool: "a", Reserved: 200}, {ID: "3", Pool: "ab", Reserved: 5000}}
	for name, c := range map[string]struct {
		machine Member
		used    uint64
		pool    string
		mayPass bool
	}{
		"it fits":                           {Member{Pool: "a/b", Reserved: 400}, 600, "", false},
		"the reservations are too much":     {Member{Pool: "a/b", Reserved: 401}, 0, "a", true},
		"the use is too much":               {Member{Pool: "a", Reserved: 100}, 901, "a", true},
		"more than all hosts have":          {Member{Pool: "a", Reserved: 1401}, 0, "a", false},
		"the pool below is too small":       {Member{Pool: "a/b", Reserved: 5001}, 0, "a/b", false},
		"a pool without a limit":            {Member{Pool: "c", Reserved: 1 << 40}, 1 << 40, "", false},
		"a pool that nobody set":            {Member{Pool: "x/y", Reserved: 1 << 40}, 1 << 40, "", false},
		"the host, which others look after": {Member{Reserved: 1 << 40}, 1 << 40, "", false},
	} {
		r := pools.refuse(c.machine, running, func(string) uint64 { return c.used })
		switch {
		case r == nil && c.pool == "":
		case r == nil || r.Pool != c.pool || r.MayPass() != c.mayPass:
			t.Errorf("%s: %+v, want pool %q, may pass %v", name, r, c.pool, c.mayPass)
		}
	}
}

func TestRefusalTellsItsNumbers(t *testing.T) {
	err := error(&Refusal{Machine: "m", Host: "host-1", Pool: "team-a", Wanted: 292 * mib, Limit: 400 * mib, LimitAllHosts: 1024 * mib, Reserved: 380 * mib, Used: 200 * mib})
	const want = "machine m needs 292 MiB of memory; resource pool team-a may use 400 MiB on host host-1 (of 1024 MiB on all hosts), of which its machines reserve 380 MiB and use 200 MiB: end one, or raise the pool's limit"
	if err.Error() != want {
		t.Errorf("%s", err)
	}
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.ResourceExhausted || s.Message() != want || len(s.Details()) != 1 {
		t.Fatalf("%v", s)
	}
	info, ok := s.Details()[0].(*errdetails.ErrorInfo)
	if !ok || info.Domain != hostv1.PoolErrorDomain || info.Reason != hostv1.ReasonPoolMemoryLimit || info.Metadata[hostv1.PoolErrorPool] != "team-a" {
		t.Errorf("%v", info)
	}
}

// What is wanted outlives hostd, and what was refused is told until somebody got it or gave up.
func TestPoolsOutliveHostd(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for the cgroups")
	}
	dir := t.TempDir()
	p := newPools(t, dir)
	want := &hostv1.Pool{Path: "team-a", CpuLimitMhz: proto.Uint64(1000), MemoryLimitBytes: proto.Uint64(100 * mib), Shares: 10}
	changed := p.Changed()
	if err := p.Put(want, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
	if err := p.Commit(nil); err != nil {
		t.Skipf("this machine has no cgroups to write: %v", err)
	}
	again := newPools(t, dir)
	defer again.Commit(nil)
	defer again.Drop("team-a")
	if err := again.Commit(nil); err != nil {
		t.Fatal(err)
	}
	var refusal *Refusal
	if err := again.Admit(Member{ID: "m", Pool: "team-a/sub", Reserved: 200 * mib}, nil); !errors.As(err, &refusal) {
		t.Errorf("%v, want a refusal", err)
	}
	list := again.List([]Member{{ID: "n", Pool: "team-a", Reserved: 7, VCPUs: 2}, {ID: "o", Pool: "other"}})
	if len(list) != 2 || !proto.Equal(list[1].Pool, want) || list[1].MemoryWantedBytes != 200*mib || list[1].Vcpus != 2 || list[1].MemoryReservedBytes != 7 {
		t.Errorf("%v", list)
	}
	again.Forget("m")
	if list := again.List(nil); len(list) != 1 || list[0].MemoryWantedBytes != 0 {
		t.Errorf("%v", list)
	}
}

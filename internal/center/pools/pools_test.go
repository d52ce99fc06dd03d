package pools

import (
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
)

func limited(mhz uint64) Pool {
	return Pool{Path: "a", Cluster: "domain-c1", CPUMHz: proto.Uint64(mhz)}
}

// The parts follow the load, and nothing is pushed while it stays where it is.
func TestPartsFollowTheLoad(t *testing.T) {
	f := newFleet(t, "host-1", "host-2", "host-3")
	f.pools = []Pool{limited(1000), {Path: "b", Cluster: "domain-c1"}}
	p := New(f, f)
	for _, busy := range []string{"host-1", "host-3", "host-2"} {
		for _, h := range f.hosts {
			h.put("a", load{})
		}
		f.hosts[busy].put("a", load{mhz: 8000, vcpus: 4})
		f.seconds(p, 6)
		before := f.hosts[busy].sets
		f.seconds(p, 10)
		used, limits := f.used("a")
		if used < 950 || limits > 1000 {
			t.Errorf("all load on %s: %v MHz are used, limits of %d MHz", busy, used, limits)
		}
		if pushed := f.hosts[busy].sets - before; pushed != 0 {
			t.Errorf("all load on %s: %d new divisions", busy, pushed)
		}
		if u := p.Usage("a"); math.Abs(u.CPUMHz-used) > 50 || len(u.Silent) != 0 || u.Machines != 4 {
			t.Errorf("usage %+v, want %v MHz", u, used)
		}
	}
	if b := f.hosts["host-1"].pools["b"]; b == nil || b.CpuLimitMhz != nil {
		t.Errorf("the pool without limits is %v", b)
	}
}

// A center that starts anew does not take the parts of those who work.
func TestRestartKeepsTheDivision(t *testing.T) {
	f := newFleet(t, "host-1", "host-2")
	f.pools = []Pool{limited(1000)}
	f.hosts["host-1"].put("a", load{mhz: 8000, vcpus: 4})
	f.seconds(New(f, f), 8)
	p := New(f, f)
	for range 5 {
		f.seconds(p, 1)
		if used, _ := f.used("a"); used < 950 {
			t.Errorf("%v MHz are used", used)
		}
	}
}

// A host that does not answer keeps its part, and the others have the rest, until its pods must be elsewhere.
func TestHostThatIsAway(t *testing.T) {
	f := newFleet(t, "host-1", "host-2")
	f.pools = []Pool{limited(1000)}
	p := New(f, f)
	now := time.Unix(5000, 0)
	p.now = func() time.Time { return now }
	for _, h := range f.hosts {
		h.put("a", load{mhz: 8000, vcpus: 4})
	}
	f.seconds(p, 5)
	f.hosts["host-2"].away = true
	f.seconds(p, 5)
	if used, limits := f.used("a"); used < 950 || limits > 1000 {
		t.Errorf("%v MHz are used, limits of %d MHz", used, limits)
	}
	if u := p.Usage("a"); len(u.Silent) != 1 {
		t.Errorf("%+v", u)
	}
	now = now.Add(forgetAfter)
	f.seconds(p, 5)
	if have := f.hosts["host-1"].pools["a"].GetCpuLimitMhz(); have != 1000 {
		t.Errorf("the host that is there has %d MHz", have)
	}
	f.hosts["host-2"].away = false
	f.seconds(p, 8)
	if used, limits := f.used("a"); used < 950 || limits > 1000 {
		t.Errorf("when it is back: %v MHz are used, limits of %d MHz", used, limits)
	}
}

func TestMemoryGoesWhereItIsWanted(t *testing.T) {
	const mib = 1 << 20
	f := newFleet(t, "host-1", "host-2", "host-3")
	f.pools = []Pool{{Path: "a", Cluster: "domain-c1", MemoryBytes: proto.Uint64(900 * mib)}}
	p := New(f, f)
	f.seconds(p, 2)
	f.hosts["host-1"].put("a", load{reserved: 250 * mib})
	f.hosts["host-2"].put("a", load{wanted: 600 * mib})
	f.seconds(p, 2)
	var sum uint64
	for _, h := range f.hosts {
		sum += h.pools["a"].GetMemoryLimitBytes()
	}
	have := f.hosts["host-2"].pools["a"]
	if have.GetMemoryLimitBytes() < 600*mib || have.GetMemoryLimitAllHostsBytes() != 900*mib || sum > 900*mib {
		t.Errorf("%v, all hosts %d", have, sum)
	}
}

func TestWhatNobodyWantsIsDeleted(t *testing.T) {
	f := newFleet(t, "host-1")
	f.hosts["host-1"].put("kube-system", load{mhz: 10, vcpus: 1}) // its machines say so; nobody set it
	f.pools = []Pool{limited(1000), {Path: "elsewhere", Cluster: "domain-c2"}}
	p := New(f, f)
	f.seconds(p, 1)
	if pools := f.hosts["host-1"].pools; len(pools) != 1 || pools["a"] == nil {
		t.Errorf("%v", pools)
	}
	f.pools = nil
	f.seconds(p, 2)
	if pools := f.hosts["host-1"].pools; len(pools) != 0 {
		t.Errorf("%v", pools)
	}
}

// A host without room for a reservation has the limits all the same, and who asks is told.
func TestReservationThatDoesNotFit(t *testing.T) {
	f := newFleet(t, "host-1")
	f.hosts["host-1"].reject = codes.ResourceExhausted
	pool := limited(1000)
	pool.ReservedMHz = 500
	f.pools = []Pool{pool}
	p := New(f, f)
	f.seconds(p, 2)
	have := f.hosts["host-1"].pools["a"]
	if err := p.Problem("a"); err == nil || !strings.Contains(err.Error(), "name of host-1") || have.GetCpuLimitMhz() != 1000 {
		t.Errorf("%v, pool %v", err, have)
	}
	f.hosts["host-1"].reject = codes.OK
	f.seconds(p, 2)
	if have := f.hosts["host-1"].pools["a"]; p.Problem("a") != nil || have.GetCpuReservationMhz() != 500 {
		t.Errorf("%v, pool %v", p.Problem("a"), have)
	}
}

func TestGrows(t *testing.T) {
	pool := func(cpu, memory *uint64) *hostv1.Pool {
		return &hostv1.Pool{CpuLimitMhz: cpu, MemoryLimitBytes: memory}
	}
	one, two := proto.Uint64(1), proto.Uint64(2)
	for _, c := range []struct {
		before, after *hostv1.Pool
		want          bool
	}{
		{pool(nil, nil), pool(one, one), false},
		{pool(one, nil), pool(two, nil), true},
		{pool(two, one), pool(one, one), false},
		{pool(one, one), pool(one, nil), true},
	} {
		if grows(c.before, c.after) != c.want {
			t.Errorf("%v to %v: %v", c.before, c.after, !c.want)
		}
	}
}

//go:build e2e

package host_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/pools"
)

// datacenter is three hosts on this computer, whose pools center's division keeps.
type datacenter struct {
	hosts map[string]*host
	wants []pools.Pool
}

func (d *datacenter) PoolHosts(context.Context) ([]pools.Host, error) {
	var all []pools.Host
	for id := range d.hosts {
		all = append(all, pools.Host{ID: id, Name: id, Cluster: "domain-c1"})
	}
	return all, nil
}

func (d *datacenter) Dial(_ context.Context, id string) (*grpc.ClientConn, error) {
	return d.hosts[id].conn, nil
}

func (d *datacenter) Pools(context.Context) ([]pools.Pool, error) { return d.wants, nil }

func (*datacenter) Watch(context.Context) <-chan struct{} { return nil }

// Two namespaces over three hosts, machines of both work all the time, one is limited: it never uses more, wherever its load is, as
// the cgroups count it. PACIFIC_E2E_MINUTE measures for a minute each instead of some seconds.
func TestPoolsOverThreeHosts(t *testing.T) {
	const limit = 1000
	d := &datacenter{hosts: map[string]*host{}, wants: []pools.Pool{
		{Path: "team-a", Cluster: "domain-c1", CPUMHz: proto.Uint64(limit), MemoryBytes: proto.Uint64(1 << 30)}, {Path: "team-b", Cluster: "domain-c1"},
	}}
	for i := range 3 {
		d.hosts[fmt.Sprintf("host-%d", i+1)] = newHostBeside(t, i, "--templates", "")
	}
	division := pools.New(d, d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- division.Run(ctx) }()
	busy := func(host, id, pool string) {
		spec := crxSpec(id)
		spec.ResourcePool = pool
		d.hosts[host].say(d.hosts[host].boot(spec), "spin")
	}
	busy("host-1", "a-1", "team-a")
	busy("host-1", "b-1", "team-b")
	t.Run("all of its load on one host", func(t *testing.T) { d.limitHolds(t, division, limit, 0.97) })
	busy("host-2", "a-2", "team-a")
	busy("host-3", "a-3", "team-a")
	busy("host-3", "b-3", "team-b")
	t.Run("spread over three", func(t *testing.T) { d.limitHolds(t, division, limit, 1) })
	d.hosts["host-1"].destroy("a-1")
	t.Run("one has gone", func(t *testing.T) { d.limitHolds(t, division, limit, 0.98) })
	for host, ids := range map[string][]string{"host-1": {"b-1"}, "host-2": {"a-2"}, "host-3": {"a-3", "b-3"}} {
		for _, id := range ids {
			d.hosts[host].destroy(id)
		}
	}
	cancel()
	<-ended
	for _, h := range d.hosts {
		for _, pool := range []string{"team-a", "team-b"} {
			_, err := hostv1.NewPoolsClient(h.conn).DeletePool(h.ctx(), &hostv1.DeletePoolRequest{Path: pool})
			h.must(err)
		}
		h.empty()
	}
}

// limitHolds after the seconds that the division may take. least is the part of the limit that the division gives those who want it;
// it is asked for only where the machines were throttled all the time: else this computer had no more time for them.
func (d *datacenter) limitHolds(t *testing.T, division *pools.Pools, limit, least float64) {
	time.Sleep(8 * time.Second)
	over := 10 * time.Second
	if os.Getenv("PACIFIC_E2E_MINUTE") != "" {
		over = time.Minute
	}
	list, err := hostv1.NewPoolsClient(d.hosts["host-1"].conn).ListPools(t.Context(), &hostv1.ListPoolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	before, beforeB, begin := d.used(t, "team-a"), d.used(t, "team-b"), time.Now()
	time.Sleep(over)
	perNano := float64(list.MhzPerCore) / float64(time.Since(begin).Nanoseconds())
	mhz, others := float64(d.used(t, "team-a")-before)*perNano, float64(d.used(t, "team-b")-beforeB)*perNano
	var sum uint64
	for _, part := range division.Parts("team-a") {
		sum += *part.CPUMHz
		t.Logf("%s: part %d MHz, used %.0f MHz", part.Host, *part.CPUMHz, part.Usage.CPUMHz)
	}
	told := division.Usage("team-a").CPUMHz
	t.Logf("team-a used %.1f of %.0f MHz as the cgroups count it (%+.1f%%), center says %.1f; parts of %d MHz; team-b used %.0f MHz",
		mhz, limit, 100*(mhz/limit-1), told, sum, others)
	if mhz > limit*1.05 || float64(sum) > limit {
		t.Errorf("team-a used %.1f MHz, its parts are %d MHz; its limit is %.0f", mhz, sum, limit)
	}
	if mhz < limit*least*0.95 && d.throttledAlways() {
		t.Errorf("team-a used only %.1f of %.0f MHz and was throttled all the time", mhz, limit)
	}
}

// used nanoseconds of a pool on all hosts, from the kernel's files.
func (d *datacenter) used(t *testing.T, pool string) uint64 {
	t.Helper()
	var sum uint64
	for _, h := range d.hosts {
		if text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/cpuacct", h.cgroup, pool, "cpuacct.usage")); err == nil {
			n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
			h.must(err)
			sum += n
			continue
		}
		text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", h.cgroup, pool, "cpu.stat"))
		h.must(err)
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); fields[0] == "usage_usec" {
				n, err := strconv.ParseUint(fields[1], 10, 64)
				h.must(err)
				sum += n * 1000
			}
		}
	}
	return sum
}

// throttledAlways looks at every host where the pool has machines for a second.
func (d *datacenter) throttledAlways() bool {
	for _, h := range d.hosts {
		client := hostv1.NewPoolsClient(h.conn)
		list, err := client.ListPools(h.ctx(), &hostv1.ListPoolsRequest{})
		h.must(err)
		if poolNamed(list, "team-a").GetMachines() == 0 {
			continue
		}
		_, throttled := measured(h, client, time.Second)
		if throttled("team-a") < 0.98 {
			return false
		}
	}
	return true
}

package pools

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
)

// hostd is one that has time by the second and machines that would use so much processor time.
type hostd struct {
	hostv1.UnimplementedPoolsServer
	conn *grpc.ClientConn

	mu     sync.Mutex
	now    time.Time
	away   bool
	sets   int
	reject codes.Code // of reservations
	pools  map[string]*hostv1.Pool
	loads  map[string]*load
}

// load of a pool: what its machines would use, in MHz, and have used.
type load struct {
	mhz, used        float64
	vcpus            uint32
	nanoseconds      uint64
	periods          uint64
	throttled        uint64
	reserved, wanted uint64
	memory           uint64
}

const mhzPerCore = 2000

func (h *hostd) SetPool(_ context.Context, r *hostv1.SetPoolRequest) (*hostv1.Pool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reject != codes.OK && r.Pool.CpuReservationMhz > 0 {
		return nil, status.Error(h.reject, "the host is full")
	}
	h.sets++
	h.pools[r.Pool.Path] = r.Pool
	return r.Pool, nil
}

func (h *hostd) DeletePool(_ context.Context, r *hostv1.DeletePoolRequest) (*hostv1.DeletePoolResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pools, r.Path)
	return &hostv1.DeletePoolResponse{}, nil
}

func (h *hostd) ListPools(context.Context, *hostv1.ListPoolsRequest) (*hostv1.ListPoolsResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := &hostv1.ListPoolsResponse{At: timestamppb.New(h.now), MhzPerCore: mhzPerCore, Cpus: 4}
	paths := map[string]bool{}
	for path := range h.pools {
		paths[path] = true
	}
	for path := range h.loads {
		paths[path] = true
	}
	for path := range paths {
		s := &hostv1.PoolStatus{Pool: &hostv1.Pool{Path: path}}
		if pool := h.pools[path]; pool != nil {
			s.Pool, s.Set = proto.CloneOf(pool), true
		}
		if l := h.loads[path]; l != nil {
			s.Machines, s.Vcpus, s.MemoryReservedBytes, s.MemoryWantedBytes = l.vcpus, l.vcpus, l.reserved, l.wanted
			s.Usage = &hostv1.Usage{CpuNanoseconds: l.nanoseconds, MemoryBytes: l.memory, MemoryRssBytes: l.memory}
			s.Periods, s.PeriodsThrottled = l.periods, l.throttled
		}
		list.Pools = append(list.Pools, s)
	}
	return list, nil
}

// second of work.
func (h *hostd) second() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(time.Second)
	for path, l := range h.loads {
		l.used = l.mhz
		l.periods += 50
		if pool := h.pools[path]; pool != nil && pool.CpuLimitMhz != nil && l.mhz > float64(*pool.CpuLimitMhz) {
			l.used = float64(*pool.CpuLimitMhz)
			l.throttled += 50
		}
		l.nanoseconds += uint64(l.used / mhzPerCore * 1e9)
	}
}

func (h *hostd) put(path string, l load) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loads[path] = &l
}

// fleet of such hosts, and what is wanted of them.
type fleet struct {
	t     *testing.T
	ids   []string
	hosts map[string]*hostd
	pools []Pool
}

func newFleet(t *testing.T, ids ...string) *fleet {
	f := &fleet{t: t, ids: ids, hosts: map[string]*hostd{}}
	for _, id := range ids {
		h := &hostd{now: time.Unix(1000, 0), pools: map[string]*hostv1.Pool{}, loads: map[string]*load{}}
		listener := bufconn.Listen(1 << 16)
		server := grpc.NewServer()
		hostv1.RegisterPoolsServer(server, h)
		go server.Serve(listener)
		conn, err := grpc.NewClient("passthrough:///"+id, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(); server.Stop() })
		h.conn = conn
		f.hosts[id] = h
	}
	return f
}

func (f *fleet) PoolHosts(context.Context) ([]Host, error) {
	var all []Host
	for _, id := range f.ids {
		all = append(all, Host{ID: id, Name: "name of " + id, Cluster: "domain-c1"})
	}
	return all, nil
}

func (f *fleet) Dial(_ context.Context, id string) (*grpc.ClientConn, error) {
	if h := f.hosts[id]; !h.away {
		return h.conn, nil
	}
	return nil, errors.New("the host is away")
}

func (f *fleet) Pools(context.Context) ([]Pool, error) { return slices.Clone(f.pools), nil }

// seconds pass, with a round in each.
func (f *fleet) seconds(p *Pools, n int) {
	f.t.Helper()
	for range n {
		if err := p.round(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		for _, h := range f.hosts {
			h.second()
		}
	}
}

// used by a pool on all hosts in the last second, and the limits together.
func (f *fleet) used(path string) (used float64, limits uint64) {
	for _, h := range f.hosts {
		if l := h.loads[path]; l != nil {
			used += l.used
		}
		limits += h.pools[path].GetCpuLimitMhz()
	}
	return used, limits
}

func (f *fleet) Watch(context.Context) <-chan struct{} { return nil }

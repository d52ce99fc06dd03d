package center

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

	"pacific/internal/center/hosts"
	"pacific/internal/center/namespaces"
	"pacific/internal/center/pools"
	"pacific/internal/center/rest"
)

// poolDivision is the part that keeps namespaces' resource pools on the hosts.
type poolDivision struct{ *pools.Pools }

func newPoolDivision(fleet *hosts.Hosts, wants *namespaces.Service) poolDivision {
	return poolDivision{pools.New(poolFleet{fleet}, poolWants{wants})}
}

// Routes implements part: there are none, the namespaces' show what is used.
func (poolDivision) Routes() []rest.Route { return nil }

// poolFleet shows hosts as pools.Fleet.
type poolFleet struct{ hosts *hosts.Hosts }

func (f poolFleet) PoolHosts(ctx context.Context) ([]pools.Host, error) {
	list, err := f.hosts.List(ctx)
	if err != nil {
		return nil, err
	}
	var all []pools.Host
	for _, h := range list {
		if !h.Removing {
			all = append(all, pools.Host{ID: h.ID, Name: h.Name, Cluster: h.Cluster})
		}
	}
	return all, nil
}

func (f poolFleet) Dial(ctx context.Context, id string) (*grpc.ClientConn, error) {
	return f.hosts.Dial(ctx, id)
}

// poolWants shows namespaces as pools.Wants.
type poolWants struct{ namespaces *namespaces.Service }

func (w poolWants) Pools(ctx context.Context) ([]pools.Pool, error) {
	list, err := w.namespaces.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	var all []pools.Pool
	for _, n := range list {
		all = append(all, poolOf(n))
	}
	return all, nil
}

func (w poolWants) Watch(ctx context.Context) <-chan struct{} { return w.namespaces.Watch(ctx) }

// poolOf a namespace. Shares are those of the original, 1000 for a processor's worth, which is near enough to the kernel's 1024; a
// host divides processors by them and memory by what is used.
func poolOf(n namespaces.Pool) pools.Pool {
	return pools.Pool{
		Path: n.Name, Cluster: n.Cluster, CPUMHz: positive(n.CPULimitMHz, 1), MemoryBytes: positive(n.MemoryLimitMiB, 1<<20),
		ReservedMHz: amount(n.CPUReservationMHz, 1), ReservedBytes: amount(n.MemoryReservationMiB, 1<<20), Shares: uint32(amount(n.CPUShares, 1)),
	}
}

// positive is nil for no limit.
func positive(value *int64, unit uint64) *uint64 {
	if value == nil || *value <= 0 {
		return nil
	}
	product := uint64(*value) * unit
	return &product
}

func amount(value *int64, unit uint64) uint64 {
	if p := positive(value, unit); p != nil {
		return *p
	}
	return 0
}

// poolMeter measures namespaces by what hosts count of their pools. It is there before the division, which needs the namespaces.
type poolMeter struct{ division atomic.Pointer[pools.Pools] }

// Usage implements namespaces.Meter.
func (m *poolMeter) Usage(_, namespace string) namespaces.Usage {
	division := m.division.Load()
	if division == nil {
		return namespaces.Usage{}
	}
	used := division.Usage(namespace)
	return namespaces.Usage{CPU: int64(used.CPUMHz + 0.5), Memory: int64(used.MemoryBytes >> 20)}
}

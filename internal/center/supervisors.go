package center

import (
	"context"
	"time"

	"k8s.io/client-go/rest"

	"pacific/internal/center/namespaces"
	"pacific/internal/center/wcp"
)

// supervisors is what namespaces see of the Workload Platform Service.
type supervisors struct {
	wcp   *wcp.Service
	fleet *fleet
}

// Get implements [namespaces.Supervisors].
func (s supervisors) Get(ctx context.Context, id string) (namespaces.Supervisor, error) {
	supervisor, name, status, err := s.wcp.Get(ctx, id)
	if err != nil {
		return namespaces.Supervisor{}, err
	}
	mhz, err := s.mhz(ctx, id)
	return namespaces.Supervisor{
		Cluster: id, Name: name, Status: status.Config, Host: supervisor.Plan.Floating.Addr().String(), Port: wcp.APIPort,
		MHzPerCore: mhz, Incarnation: supervisor.Enabled.Format(time.RFC3339Nano),
	}, err
}

// mhz of the slowest host's processors, 0 while none has told.
func (s supervisors) mhz(ctx context.Context, cluster string) (float64, error) {
	all, err := s.fleet.of(ctx, cluster)
	var lowest uint64
	for _, h := range all {
		if mhz := h.Facts.CPUMHz; mhz > 0 && (lowest == 0 || mhz < lowest) {
			lowest = mhz
		}
	}
	return float64(lowest), err
}

// List implements [namespaces.Supervisors].
func (s supervisors) List(ctx context.Context) ([]namespaces.Supervisor, error) {
	clusters, err := s.wcp.List(ctx)
	if err != nil {
		return nil, err
	}
	var list []namespaces.Supervisor
	for _, cluster := range clusters {
		one, err := s.Get(ctx, cluster)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// RESTConfig implements [namespaces.Supervisors].
func (s supervisors) RESTConfig(ctx context.Context, cluster string) (*rest.Config, error) {
	return s.wcp.RESTConfig(ctx, cluster)
}

// Watch implements [namespaces.Supervisors].
func (s supervisors) Watch(ctx context.Context) <-chan struct{} { return s.wcp.Watch(ctx) }

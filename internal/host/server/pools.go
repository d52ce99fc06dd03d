package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/machine"
)

// Pools implements hostv1.PoolsServer by a machine.Manager.
type Pools struct {
	hostv1.UnimplementedPoolsServer
	Manager *machine.Manager
}

// SetPool implements hostv1.PoolsServer.
func (s *Pools) SetPool(_ context.Context, r *hostv1.SetPoolRequest) (*hostv1.Pool, error) {
	return r.GetPool(), s.Manager.SetPool(r.GetPool())
}

// DeletePool implements hostv1.PoolsServer.
func (s *Pools) DeletePool(_ context.Context, r *hostv1.DeletePoolRequest) (*hostv1.DeletePoolResponse, error) {
	return &hostv1.DeletePoolResponse{}, s.Manager.DeletePool(r.GetPath())
}

// ListPools implements hostv1.PoolsServer.
func (s *Pools) ListPools(context.Context, *hostv1.ListPoolsRequest) (*hostv1.ListPoolsResponse, error) {
	return &hostv1.ListPoolsResponse{
		Pools: s.Manager.Pools.List(s.Manager.Members()), At: timestamppb.Now(), MhzPerCore: s.Manager.Pools.MHzPerCore, Cpus: s.Manager.CPUs,
	}, nil
}

package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/machine"
)

// Machines implements hostv1.VirtualMachinesServer by a machine.Manager.
type Machines struct {
	hostv1.UnimplementedVirtualMachinesServer
	Manager *machine.Manager
}

// Create implements hostv1.VirtualMachinesServer.
func (s *Machines) Create(ctx context.Context, r *hostv1.CreateRequest) (*hostv1.VirtualMachine, error) {
	return s.Manager.Create(ctx, r.GetSpec(), r.GetStart())
}

// Start implements hostv1.VirtualMachinesServer.
func (s *Machines) Start(ctx context.Context, r *hostv1.StartRequest) (*hostv1.VirtualMachine, error) {
	return s.Manager.Start(ctx, r.GetId())
}

// Stop implements hostv1.VirtualMachinesServer.
func (s *Machines) Stop(ctx context.Context, r *hostv1.StopRequest) (*hostv1.VirtualMachine, error) {
	return s.Manager.Stop(ctx, r.GetId(), r.GetGrace().AsDuration())
}

// Destroy implements hostv1.VirtualMachinesServer.
func (s *Machines) Destroy(ctx context.Context, r *hostv1.DestroyRequest) (*hostv1.DestroyResponse, error) {
	return &hostv1.DestroyResponse{}, s.Manager.Destroy(ctx, r.GetId())
}

// Get implements hostv1.VirtualMachinesServer.
func (s *Machines) Get(_ context.Context, r *hostv1.GetRequest) (*hostv1.VirtualMachine, error) {
	return s.Manager.Get(r.GetId())
}

// List implements hostv1.VirtualMachinesServer.
func (s *Machines) List(context.Context, *hostv1.ListRequest) (*hostv1.ListResponse, error) {
	return &hostv1.ListResponse{Machines: s.Manager.List()}, nil
}

// Watch implements hostv1.VirtualMachinesServer.
func (s *Machines) Watch(r *hostv1.WatchRequest, stream grpc.ServerStreamingServer[hostv1.WatchEvent]) error {
	watcher := s.Manager.Watch(r.GetIncludeUnmanaged())
	defer watcher.Close()
	for {
		event, err := watcher.Next(stream.Context())
		if err != nil {
			return err
		}
		if err := stream.Send(event); err != nil {
			return err
		}
	}
}

// GetStats implements hostv1.VirtualMachinesServer.
func (s *Machines) GetStats(ctx context.Context, r *hostv1.GetStatsRequest) (*hostv1.GetStatsResponse, error) {
	stats, err := s.Manager.Stats(ctx, r.GetDisks())
	if err != nil {
		return nil, status.Errorf(codes.Internal, "measure machines of host %s: %v", s.Manager.HostName, err)
	}
	return stats, nil
}

// AttachDisk implements hostv1.VirtualMachinesServer.
func (s *Machines) AttachDisk(ctx context.Context, r *hostv1.AttachDiskRequest) (*hostv1.DiskAttachment, error) {
	return s.Manager.AttachDisk(ctx, r.GetMachineId(), r.GetDisk())
}

// DetachDisk implements hostv1.VirtualMachinesServer.
func (s *Machines) DetachDisk(ctx context.Context, r *hostv1.DetachDiskRequest) (*hostv1.DetachDiskResponse, error) {
	return &hostv1.DetachDiskResponse{}, s.Manager.DetachDisk(ctx, r.GetMachineId(), r.GetDiskId())
}

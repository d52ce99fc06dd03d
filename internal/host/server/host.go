package server

import (
	"context"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/crx"
	"pacific/internal/host/inventory"
	"pacific/internal/host/machine"
	"pacific/internal/host/vmm"
)

// Host implements hostv1.HostServer.
type Host struct {
	hostv1.UnimplementedHostServer
	Version     string
	Manager     *machine.Manager
	VMM         vmm.VMM
	Guest       *crx.Guest
	Inventory   *inventory.Host
	Accelerator func(context.Context) (vmm.Accelerator, error)
}

// GetHost implements hostv1.HostServer. It waits until the accelerator is known.
func (s *Host) GetHost(ctx context.Context, _ *hostv1.GetHostRequest) (*hostv1.GetHostResponse, error) {
	accelerator, err := s.Accelerator(ctx)
	if err != nil {
		return nil, status.FromContextError(err).Err()
	}
	version, err := s.VMM.Version(ctx)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	kernel, err := s.Guest.KernelVersion()
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	var store syscall.Statfs_t
	if err := syscall.Statfs(s.Manager.StateDir, &store); err != nil {
		return nil, status.Errorf(codes.Unavailable, "datastore %s: %v", s.Manager.StateDir, err)
	}
	// Before anybody ends a pod for the memory that these take.
	s.Manager.Relieve()
	used, err := s.Manager.Cgroups.Total()
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "memory of the machines: %v", err)
	}
	return &hostv1.GetHostResponse{
		Name: s.Manager.HostName, Version: s.Version, Accelerator: string(accelerator),
		Cpus: s.Manager.CPUs, MemoryBytes: s.Manager.MemoryBytes, MemoryUsedBytes: used.WorkingSet, MemoryReservedBytes: s.Manager.Reserved(),
		MachinesCpuNanoseconds: used.CPUNanoseconds,
		StorageBytes:           store.Blocks * uint64(store.Bsize), StorageFreeBytes: store.Bavail * uint64(store.Bsize),
		StorageInodes: store.Files, StorageFreeInodes: store.Ffree,
		GuestImages: s.Guest.Images(), ManagementBridge: s.Manager.ManagementBridge,
		CrxKernelVersion: kernel, VmmVersion: version,
		MhzPerCore: s.Manager.Pools.MHzPerCore, CpuReservedMhz: s.Manager.Pools.ReservedMHz(),
	}, nil
}

// GetInventory implements hostv1.HostServer.
func (s *Host) GetInventory(context.Context, *hostv1.GetInventoryRequest) (*hostv1.GetInventoryResponse, error) {
	found, err := s.Inventory.Take(s.Manager.List(), s.Manager.VMMs())
	if err != nil {
		return nil, status.Errorf(codes.Internal, "inventory of host %s: %v", s.Manager.HostName, err)
	}
	return found, nil
}

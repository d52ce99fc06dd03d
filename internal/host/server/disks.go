package server

import (
	"context"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/disk"
)

// Disks implements hostv1.DisksServer by a disk.Store.
type Disks struct {
	hostv1.UnimplementedDisksServer
	Store *disk.Store
}

// Create implements hostv1.DisksServer.
func (s *Disks) Create(ctx context.Context, r *hostv1.CreateDiskRequest) (*hostv1.Disk, error) {
	return s.Store.CreateWith(ctx, r.GetDisk(), r.GetContent())
}

// Delete implements hostv1.DisksServer.
func (s *Disks) Delete(ctx context.Context, r *hostv1.DeleteDiskRequest) (*hostv1.DeleteDiskResponse, error) {
	return &hostv1.DeleteDiskResponse{}, s.Store.Delete(ctx, r.GetId())
}

// List implements hostv1.DisksServer.
func (s *Disks) List(context.Context, *hostv1.ListDisksRequest) (*hostv1.ListDisksResponse, error) {
	disks, err := s.Store.List()
	return &hostv1.ListDisksResponse{Disks: disks}, err
}

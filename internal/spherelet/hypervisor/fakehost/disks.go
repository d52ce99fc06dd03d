package fakehost

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

type disks struct {
	hostv1.UnimplementedDisksServer
	h *Host
}

func (d disks) Create(_ context.Context, r *hostv1.CreateDiskRequest) (*hostv1.Disk, error) {
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	d.h.disks[r.Disk.Id] = r.Disk
	return r.Disk, nil
}

func (d disks) Delete(_ context.Context, r *hostv1.DeleteDiskRequest) (*hostv1.DeleteDiskResponse, error) {
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	delete(d.h.disks, r.Id)
	return &hostv1.DeleteDiskResponse{}, nil
}

func (d disks) List(context.Context, *hostv1.ListDisksRequest) (*hostv1.ListDisksResponse, error) {
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	out := &hostv1.ListDisksResponse{}
	for _, disk := range d.h.disks {
		out.Disks = append(out.Disks, disk)
	}
	return out, nil
}

type images struct {
	hostv1.UnimplementedImagesServer
	h *Host
}

func (i images) Get(_ context.Context, r *hostv1.GetImageRequest) (*hostv1.Image, error) {
	i.h.mu.Lock()
	defer i.h.mu.Unlock()
	if image := i.h.images[r.Reference]; image != nil {
		return image, nil
	}
	return nil, status.Errorf(codes.NotFound, "no image %s", r.Reference)
}

func (i images) List(context.Context, *hostv1.ListImagesRequest) (*hostv1.ListImagesResponse, error) {
	i.h.mu.Lock()
	defer i.h.mu.Unlock()
	out := &hostv1.ListImagesResponse{}
	for _, image := range i.h.images {
		out.Images = append(out.Images, image)
	}
	return out, nil
}

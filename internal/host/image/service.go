package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/image/layercache"
)

// Machines are the host's machines, as machine.Manager has them.
type Machines interface {
	Create(ctx context.Context, spec *hostv1.VirtualMachineSpec, start bool) (*hostv1.VirtualMachine, error)
	Get(id string) (*hostv1.VirtualMachine, error)
	List() []*hostv1.VirtualMachine
	// Destroy of a machine that does not exist succeeds.
	Destroy(ctx context.Context, id string) error
	// DiskUser returns the machine that has a disk attached, "" for none.
	DiskUser(diskID string) string
}

// DefaultMemory is the memory of a machine that pulls. Layers are streamed; most of it is page cache.
const DefaultMemory = 256 << 20

// maxPulls bounds the machines that pull at a time, and with them the memory that pods do not get.
const maxPulls = 2

// Config of the image service.
type Config struct {
	Store    *Store
	Machines Machines
	// RegistryConfig is the directory of <host:port>/ca.crt and hosts.json.
	RegistryConfig string
	// CPUs of the host.
	CPUs uint32
	// MemoryBytes of a machine that pulls; 0 for DefaultMemory.
	MemoryBytes uint64
	// Layers are kept there; nil for not at all.
	Layers *layercache.Cache
	// Emulated tells whether processors of machines are emulated; nil for no.
	Emulated func() bool
	// Garbage says when images are removed; the zero value is DefaultGarbagePolicy.
	Garbage GarbagePolicy
}

// Service implements hostv1.ImagesServer.
type Service struct {
	hostv1.UnimplementedImagesServer
	Config
	flights flights
	pulls   chan struct{}
	connect func(ctx context.Context, socket string) (session, error)

	collecting     sync.Mutex
	lastCollection atomic.Pointer[hostv1.GarbageCollection]
}

// NewService cleans up what pulls left behind that were cut off by hostd's end, and serves then.
func NewService(ctx context.Context, c Config) (*Service, error) {
	if c.MemoryBytes == 0 {
		c.MemoryBytes = DefaultMemory
	}
	if c.Garbage == (GarbagePolicy{}) {
		c.Garbage = DefaultGarbagePolicy
	}
	s := &Service{
		Config:  c,
		flights: flights{flying: map[string]*flight{}},
		pulls:   make(chan struct{}, maxPulls),
		connect: connect,
	}
	return s, s.recover(ctx)
}

func (s *Service) recover(ctx context.Context) error {
	for _, vm := range s.Machines.List() {
		if vm.GetSpec().GetLabels()[LabelComponent] != component {
			continue
		}
		if err := s.Machines.Destroy(ctx, vm.GetSpec().GetId()); err != nil {
			return fmt.Errorf("image service: end an interrupted pull: %w", err)
		}
	}
	return s.Store.Sweep()
}

// Pull implements hostv1.ImagesServer.
func (s *Service) Pull(req *hostv1.PullRequest, stream grpc.ServerStreamingServer[hostv1.PullProgress]) error {
	j, err := newJob(req)
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "image %q: %v", req.GetReference(), err)
	}
	r, err := s.ensure(stream.Context(), j, func(p *hostv1.PullProgress) { stream.Send(p) })
	if err != nil {
		return err
	}
	return stream.Send(&hostv1.PullProgress{Stage: "done", Image: r.message()})
}

func newJob(req *hostv1.PullRequest) (job, error) {
	ref, err := parseReference(req.GetReference())
	if err != nil {
		return job{}, err
	}
	j := job{ref: ref, digest: req.GetDigest(), credentials: req.GetCredentials(), keys: req.GetAccessKeys()}
	if j.digest == "" {
		j.digest = ref.digest
	}
	if j.digest != "" {
		err = checkDigest(j.digest)
	}
	return j, err
}

// ensure returns the image, at once where the host has it.
func (s *Service) ensure(ctx context.Context, j job, report func(*hostv1.PullProgress)) (record, error) {
	if r, ok, err := s.have(j); ok || err != nil {
		return r, err
	}
	f, err := s.flights.join(ctx, j, s.run)
	if err != nil {
		return record{}, status.FromContextError(err).Err()
	}
	defer s.flights.leave(f)
	for {
		progress, more := f.progress()
		if progress != nil {
			report(progress)
		}
		select {
		case <-f.done:
			return f.image, f.err
		case <-more:
		case <-ctx.Done():
			return record{}, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// have finds the image that a job wants, by the digest if it names one. A tag that comes with the digest is moved to it.
// Whoever names the digest had it from the registry with the same credentials, so that he may use the image.
func (s *Service) have(j job) (record, bool, error) {
	wanted := j.ref.String()
	if j.digest != "" {
		wanted = j.ref.at(j.digest)
	}
	r, ok := s.Store.find(wanted)
	if !ok || j.digest == "" && !r.allows(j.ref.repository, j.keys) {
		return record{}, false, nil
	}
	s.Store.touch(r.Digest)
	switch err := s.Store.Verify(r.Digest); {
	case errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist):
		return record{}, false, nil
	case err != nil:
		return record{}, false, status.Error(codes.Internal, err.Error())
	}
	r, err := s.Store.claim(r.Digest, time.Now().UTC(), j.claim(j.ref.String()))
	if err != nil {
		return record{}, false, status.Error(codes.Internal, err.Error())
	}
	return r, true, nil
}

// run waits for its turn and pulls.
func (s *Service) run(ctx context.Context, j job) (record, error) {
	select {
	case s.pulls <- struct{}{}:
	case <-ctx.Done():
		return record{}, status.FromContextError(ctx.Err()).Err()
	}
	defer func() { <-s.pulls }()
	begin := time.Now()
	r, err := s.pull(ctx, j)
	if err != nil {
		slog.Warn("image pull failed", "image", j.ref, "after", time.Since(begin).Round(time.Millisecond), "err", err)
		return record{}, err
	}
	slog.Info("image pulled", "image", j.ref, "digest", r.Digest, "bytes", r.SizeBytes, "after", time.Since(begin).Round(time.Millisecond))
	return r, nil
}

// Get implements hostv1.ImagesServer.
func (s *Service) Get(_ context.Context, req *hostv1.GetImageRequest) (*hostv1.Image, error) {
	ref, err := parseReference(req.GetReference())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "image %q: %v", req.GetReference(), err)
	}
	missing := status.Errorf(codes.NotFound, "the host does not have image %s; pull it first", ref)
	r, ok := s.Store.find(ref.String())
	if !ok {
		return nil, missing
	}
	if req.GetVerifyAccess() && !r.allows(ref.repository, req.GetAccessKeys()) {
		return nil, status.Errorf(codes.PermissionDenied, "image %s was pulled with other credentials; pull it to have yours checked", ref)
	}
	if _, listed := r.Access[ref.repository]; listed && req.GetVerifyAccess() && len(req.GetAccessKeys()) > 0 {
		// One key was right, so the others are the same owner's: a secret whose password has changed, or that was renamed.
		if _, err := s.Store.claim(r.Digest, r.PulledAt, claim{repository: ref.repository, keys: req.GetAccessKeys()}); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	s.Store.touch(r.Digest)
	switch err := s.Store.Verify(r.Digest); {
	case errors.Is(err, errDamaged), errors.Is(err, fs.ErrNotExist):
		return nil, missing
	case err != nil:
		return nil, status.Error(codes.Internal, err.Error())
	}
	return s.message(r), nil
}

func (s *Service) message(r record) *hostv1.Image {
	image := r.message()
	image.LastUsedAt = timestamppb.New(s.Store.lastUsed(r))
	return image
}

// List implements hostv1.ImagesServer.
func (s *Service) List(context.Context, *hostv1.ListImagesRequest) (*hostv1.ListImagesResponse, error) {
	resp := &hostv1.ListImagesResponse{LastCollection: s.lastCollection.Load()}
	for _, r := range s.Store.list() {
		resp.Images = append(resp.Images, s.message(r))
	}
	slices.SortFunc(resp.Images, func(a, b *hostv1.Image) int { return strings.Compare(a.Digest, b.Digest) })
	return resp, nil
}

// Remove implements hostv1.ImagesServer. An image that is gone is no error.
func (s *Service) Remove(_ context.Context, req *hostv1.RemoveImageRequest) (*hostv1.RemoveImageResponse, error) {
	if err := checkDigest(req.GetDigest()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if user := s.Machines.DiskUser(DiskID(req.GetDigest())); user != "" {
		return nil, status.Errorf(codes.FailedPrecondition, "image %s is used by machine %s; destroy it first", req.GetDigest(), user)
	}
	if err := s.Store.remove(req.GetDigest()); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &hostv1.RemoveImageResponse{}, nil
}

package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fetcherv1 "pacific/api/fetcher/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/channel"
	"pacific/internal/registryconfig"
)

// Personality of the machines that pull.
const Personality = "fetcher"

// Labels of the machines that pull.
const (
	LabelComponent = "pacific.internal/component"
	LabelImage     = "pacific.internal/image"
	component      = "image-service"
)

const (
	// bootTimeout is generous: under software emulation on a busy host a guest takes seconds.
	bootTimeout = 2 * time.Minute
	// stallTimeout ends a pull in which nothing moves: the fetcher sends a word at least every second while it does.
	stallTimeout = 3 * time.Minute
	// pullTimeout ends a pull that moves for ever, as a hostile registry can make it.
	pullTimeout = 2 * time.Hour
	// destroyTimeout is for the log only: the machine manager goes on until the machine is gone.
	destroyTimeout = time.Minute
)

// session is the host's end of a fetcher's personality channel.
type session interface {
	Accept() (channel.Header, net.Conn, error)
	RPC(ctx context.Context) (*ttrpc.Client, error)
	Close() error
}

func connect(ctx context.Context, socket string) (session, error) {
	s, err := channel.Dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// job is one pull: what to fetch, and where to tell how far it is.
type job struct {
	ref         reference
	digest      string // to fetch exactly; may be empty
	credentials *hostv1.RegistryCredentials
	keys        []string // of who may use the image; none for everybody
	report      func(*hostv1.PullProgress)
}

// pull fetches an image in a machine of its own. Whatever happens, the machine is gone when it returns.
func (s *Service) pull(ctx context.Context, j job) (record, error) {
	j.report(&hostv1.PullProgress{Stage: "starting"})
	config, err := registryconfig.Read(s.RegistryConfig, j.ref.registry)
	if err != nil {
		return record{}, status.Error(codes.FailedPrecondition, err.Error())
	}
	id := diskPrefix + newID()
	dir := filepath.Join(s.Store.dir, pullPrefix+id)
	defer os.RemoveAll(dir)
	if err := s.prepare(ctx, dir); err != nil {
		return record{}, err
	}
	result, err := s.fetch(ctx, id, j, config)
	if err != nil {
		return record{}, err
	}
	return s.keep(filepath.Join(dir, diskFile), j, result)
}

func newID() string {
	b := make([]byte, 6)
	rand.Read(b)
	return hex.EncodeToString(b)
}

func (s *Service) prepare(ctx context.Context, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return status.Errorf(codes.Internal, "image disk: %v", err)
	}
	size, err := s.roomFor(dir)
	if err != nil {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if err := makeDisk(ctx, filepath.Join(dir, diskFile), size); err != nil {
		return status.Errorf(codes.Internal, "image disk: %v", err)
	}
	return nil
}

// roomFor is the size of a new disk; unused images make room where there is too little.
func (s *Service) roomFor(dir string) (uint64, error) {
	free, err := freeSpace(dir)
	if err != nil {
		return 0, err
	}
	if size, err := diskSize(free); err == nil {
		return size, nil
	}
	s.collect(minDisk*2, s.Garbage.MinAge)
	if free, err = freeSpace(dir); err != nil {
		return 0, err
	}
	return diskSize(free)
}

// fetch runs the machine.
func (s *Service) fetch(ctx context.Context, id string, j job, config registryconfig.Config) (*fetcherv1.Result, error) {
	// Destroyed even if its creation seems to have failed: it may have been half made.
	defer s.destroy(id)
	vm, err := s.Machines.Create(ctx, s.machine(id, j.ref), true)
	if err != nil {
		return nil, err
	}
	boot, cancel := context.WithTimeoutCause(ctx, bootTimeout, fmt.Errorf("it did not boot within %s", bootTimeout))
	defer cancel()
	fetcher, err := s.connect(boot, vm.GetPersonalitySocket())
	if err != nil {
		return nil, s.died(ctx, id, errors.Join(err, context.Cause(boot)))
	}
	defer fetcher.Close()
	// Streams end with the pull, not with the boot.
	serving, stop := context.WithCancel(ctx)
	defer stop()
	go services{policyOf(j.ref.registry, config), layerKeeper{s.Layers, j.ref.registry}}.serve(serving, fetcher)
	return s.ask(ctx, id, fetcher, request(j, config, vm.GetSpec()), j.report)
}

func (s *Service) machine(id string, ref reference) *hostv1.VirtualMachineSpec {
	return &hostv1.VirtualMachineSpec{
		Id:          id,
		Name:        "pull " + ref.String(),
		Type:        &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: hostv1.Crx_UNMANAGED, Personality: Personality}},
		Vcpus:       s.processors(),
		MemoryBytes: s.MemoryBytes,
		Disks:       []*hostv1.DiskAttachment{{DiskId: diskPrefix + pullPrefix + id}},
		Labels:      map[string]string{LabelComponent: component, LabelImage: ref.String()},
	}
}

// processors of the machine: on two, decryption runs beside decompression and file system. Emulated ones would only take
// turns on one of the host's.
func (s *Service) processors() uint32 {
	if s.Emulated != nil && s.Emulated() {
		return 1
	}
	return min(2, s.CPUs)
}

func request(j job, config registryconfig.Config, spec *hostv1.VirtualMachineSpec) *fetcherv1.FetchRequest {
	req := &fetcherv1.FetchRequest{
		Reference:      j.ref.String(),
		Digest:         j.digest,
		Username:       j.credentials.GetUsername(),
		Password:       j.credentials.GetPassword(),
		IdentityToken:  j.credentials.GetIdentityToken(),
		RegistryToken:  j.credentials.GetRegistryToken(),
		CaCertificates: config.Certificates(),
		Mirrors:        config.Mirrors,
		PlainHttp:      config.PlainHTTP,
		Os:             "linux",
		Architecture:   runtime.GOARCH,
	}
	for _, d := range spec.GetDisks() {
		req.DiskLun = d.GetLun()
	}
	return req
}

// ask has the fetcher work, and gives up when nothing moves.
func (s *Service) ask(ctx context.Context, id string, fetcher session, req *fetcherv1.FetchRequest, report func(*hostv1.PullProgress)) (*fetcherv1.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	giveUp := func(why string, after time.Duration) *time.Timer {
		return time.AfterFunc(after, func() {
			cancel(status.Errorf(codes.Unavailable, "the pull %s %s", why, after))
			fetcher.Close()
		})
	}
	defer giveUp("was not done after", pullTimeout).Stop()
	stalled := giveUp("made no progress for", stallTimeout)
	defer stalled.Stop()
	client, err := fetcher.RPC(ctx)
	if err != nil {
		return nil, s.died(ctx, id, err)
	}
	defer client.Close()
	stream, err := fetcherv1.NewFetcherClient(client).Fetch(ctx, req)
	if err != nil {
		return nil, s.died(ctx, id, err)
	}
	for {
		progress, err := stream.Recv()
		switch {
		case err != nil:
			return nil, s.died(ctx, id, err)
		case progress.Failure != nil:
			return nil, failureStatus(progress.Failure)
		case progress.Result != nil:
			return progress.Result, nil
		}
		stalled.Reset(stallTimeout)
		report(&hostv1.PullProgress{Stage: progress.Stage, BytesDone: progress.BytesDone, BytesTotal: progress.BytesTotal})
	}
}

// died says why a fetcher does not answer any more, by the machine's own last words if it has some.
func (s *Service) died(ctx context.Context, id string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if _, ok := status.FromError(cause); ok {
			return cause
		}
		return status.Error(codes.Canceled, cause.Error())
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the connection ended")
	}
	if vm, getErr := s.Machines.Get(id); getErr == nil && vm.GetLastExit() != nil {
		err = fmt.Errorf("%w (%s: %s)", err, vm.GetLastExit().GetReason(), vm.GetLastExit().GetMessage())
	}
	return status.Errorf(codes.Unavailable, "the machine that pulls the image ended: %v", err)
}

// destroy has its own context: that of a pull may have ended.
func (s *Service) destroy(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), destroyTimeout)
	defer cancel()
	if err := s.Machines.Destroy(ctx, id); err != nil {
		slog.Error("cannot destroy the machine of a pull; hostd's next start tries again", "machine", id, "err", err)
	}
}

// keep makes the disk an image. The result comes from a machine that hostile content may have taken over, so what names
// files is checked; the rest is opaque.
func (s *Service) keep(disk string, j job, result *fetcherv1.Result) (record, error) {
	bad := func(err error) error {
		return status.Errorf(codes.DataLoss, "image %s: the fetcher's answer is not valid: %v", j.ref, err)
	}
	if err := errors.Join(checkDigest(result.Digest), checkDigest(result.ResolvedDigest)); err != nil {
		return record{}, bad(err)
	}
	if j.digest != "" && result.ResolvedDigest != j.digest {
		return record{}, bad(fmt.Errorf("asked for %s, got %s", j.digest, result.ResolvedDigest))
	}
	if result.Filesystem != "ext4" {
		return record{}, bad(fmt.Errorf("file system %q", result.Filesystem))
	}
	r := record{
		Digest: result.Digest, Filesystem: result.Filesystem, SizeBytes: result.SizeBytes, Config: result.Config, PulledAt: time.Now().UTC(),
	}
	kept, err := s.Store.publish(disk, r, j.claim(j.references(result)...))
	if err != nil {
		return record{}, status.Errorf(codes.Internal, "%v", err)
	}
	return kept, nil
}

func (j job) claim(references ...string) claim {
	return claim{references: references, repository: j.ref.repository, keys: j.keys}
}

// references are all by which the image can be found: the tag, the digest it had, and that of the platform's manifest.
func (j job) references(result *fetcherv1.Result) []string {
	return []string{j.ref.String(), j.ref.at(result.ResolvedDigest), j.ref.at(result.Digest)}
}

// failureStatus maps a fetcher's failure to the codes that host.proto promises.
func failureStatus(f *fetcherv1.Failure) error {
	code := codes.InvalidArgument
	switch f.Kind {
	case fetcherv1.Failure_UNAUTHORIZED:
		code = codes.Unauthenticated
	case fetcherv1.Failure_NOT_FOUND, fetcherv1.Failure_PLATFORM:
		code = codes.NotFound
	case fetcherv1.Failure_UNREACHABLE:
		code = codes.Unavailable
	case fetcherv1.Failure_DIGEST_MISMATCH:
		code = codes.DataLoss
	case fetcherv1.Failure_NO_SPACE:
		code = codes.ResourceExhausted
	}
	s, err := status.New(code, f.Message).WithDetails(&errdetails.ErrorInfo{Reason: f.Kind.String(), Domain: hostv1.ImageErrorDomain})
	if err != nil {
		return status.Error(code, f.Message)
	}
	return s.Err()
}

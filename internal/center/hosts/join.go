package hosts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/inventory"
	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// first are the certificates that a host gets when it joins.
var first = []centerv1.Purpose{centerv1.Purpose_AGENT, centerv1.Purpose_HOSTD, centerv1.Purpose_HOSTD_SPHERELET}

// reserved names are those of the nodes of control planes.
const reservedPrefix = "supervisor"

// Join implements the API. The transaction that uses the token up makes the host; signing comes after it, and is repeated with
// it: the record decides what is signed.
func (h *Hosts) Join(ctx context.Context, request *centerv1.JoinRequest) (*centerv1.JoinResponse, error) {
	key, err := checkJoin(request)
	if err != nil {
		return nil, err
	}
	host, err := h.admit(ctx, request, key)
	if err != nil {
		return nil, err
	}
	signed, err := h.certify(ctx, host, request.GetRequests())
	if err != nil {
		return nil, err
	}
	return &centerv1.JoinResponse{Id: host.ID, Cluster: host.Cluster, Certificates: signed, HostCa: h.config.HostCA.PEM()}, nil
}

// checkJoin finds out the id of the key that joins.
func checkJoin(request *centerv1.JoinRequest) (key string, err error) {
	if wrong := validation.IsDNS1123Label(request.GetName()); len(wrong) > 0 {
		return "", status.Errorf(codes.InvalidArgument, "host name %q: %s", request.GetName(), strings.Join(wrong, "; "))
	}
	if strings.HasPrefix(request.GetName(), reservedPrefix) {
		return "", status.Errorf(codes.InvalidArgument, "host name %q: names that begin with %q are those of control planes; choose another with --name", request.GetName(), reservedPrefix)
	}
	address, err := netip.ParseAddr(request.GetAddress())
	if err != nil || address.IsUnspecified() || address.IsLoopback() || address.IsMulticast() || address.Zone() != "" {
		return "", status.Errorf(codes.InvalidArgument, "host %s: %q is no address that others reach it by; give one of the management network with --address", request.GetName(), request.GetAddress())
	}
	var purposes []centerv1.Purpose
	for _, r := range request.GetRequests() {
		purposes = append(purposes, r.GetPurpose())
		id, err := pki.RequestKey(r.GetRequest())
		if err != nil {
			return "", status.Errorf(codes.InvalidArgument, "host %s: %s: %v", request.GetName(), r.GetPurpose(), err)
		}
		if r.GetPurpose() == centerv1.Purpose_AGENT {
			key = id
		}
	}
	slices.Sort(purposes)
	if !slices.Equal(purposes, first) {
		return "", status.Errorf(codes.InvalidArgument, "host %s: requests for %v; there must be one each for %v", request.GetName(), purposes, first)
	}
	return key, nil
}

// refused is one answer for all tokens that do not let anybody in, so that nothing is told about tokens.
func refused(why string) error {
	return status.Errorf(codes.Unauthenticated, "the token %s; make a new one on center with: pacific host token", why)
}

// admit returns the host that the token and the key stand for, and makes it where the token is new.
func (h *Hosts) admit(ctx context.Context, request *centerv1.JoinRequest, key string) (Host, error) {
	for {
		id := hashOf(request.GetToken())
		t, revision, err := h.records.tokens.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return Host{}, refused("is not known")
		case err != nil:
			return Host{}, unavailable(err)
		case t.UsedBy == key:
			return h.again(ctx, request, t)
		case t.UsedBy != "":
			return Host{}, refused("has been used")
		case !h.now().Before(t.Expires):
			return Host{}, refused("has expired")
		}
		host, err := h.create(ctx, request, key, id, t, revision)
		if errors.Is(err, store.ErrConflict) {
			continue // another host joined at the same time
		}
		return host, err
	}
}

// again is a repeated join.
func (h *Hosts) again(ctx context.Context, request *centerv1.JoinRequest, t token) (Host, error) {
	host, _, err := h.records.hosts.Get(ctx, t.Host)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Host{}, refused(fmt.Sprintf("made host %s, which has been removed", t.Host))
	case err != nil:
		return Host{}, unavailable(err)
	case host.Name != request.GetName() || host.Address != request.GetAddress():
		return Host{}, status.Errorf(codes.FailedPrecondition, "this host has joined as %s with address %s, and would now be %s with %s; remove it first with: pacific host remove %s", host.Name, host.Address, request.GetName(), request.GetAddress(), host.Name)
	}
	return host, nil
}

func (h *Hosts) create(ctx context.Context, request *centerv1.JoinRequest, key, tokenID string, t token, revision store.Revision) (Host, error) {
	number, count, err := h.number(ctx)
	if err != nil {
		return Host{}, unavailable(err)
	}
	host := Host{
		ID: fmt.Sprintf("host-%d", number), Name: request.GetName(), Cluster: inventory.DefaultCluster, Address: request.GetAddress(),
		Joined: h.now().UTC(), Keys: []string{key}, Facts: factsOf(request.GetFacts()),
	}
	t.UsedBy, t.Host = key, host.ID
	err = h.store.Commit(ctx,
		h.records.tokens.PutOp(tokenID, t, revision),
		h.records.names.CreateOp(host.Name, owner{host.ID}),
		h.records.hosts.CreateOp(host.ID, host),
		count)
	switch {
	case err == nil:
		klog.InfoS("Host joined", "host", host.ID, "name", host.Name, "address", host.Address, "tokenMadeBy", t.CreatedBy)
		return host, nil
	case errors.Is(err, store.ErrExists) && h.taken(ctx, host.Name):
		return Host{}, status.Errorf(codes.AlreadyExists, "a host with the name %s has joined; remove it first with pacific host remove %s, or choose another with --name", host.Name, host.Name)
	case errors.Is(err, store.ErrExists):
		return Host{}, store.ErrConflict // the first two hosts made the counter at once
	case errors.Is(err, store.ErrConflict):
		return Host{}, err
	}
	return Host{}, unavailable(err)
}

func (h *Hosts) taken(ctx context.Context, name string) bool {
	_, _, err := h.records.names.Get(ctx, name)
	return err == nil
}

// number of the next host, and the change that uses it up.
func (h *Hosts) number(ctx context.Context) (int, store.Op, error) {
	const id = "hosts"
	c, revision, err := h.records.counter.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 1, h.records.counter.CreateOp(id, counter{Next: 2}), nil
	}
	return c.Next, h.records.counter.PutOp(id, counter{Next: c.Next + 1}, revision), err
}

func unavailable(err error) error {
	return status.Errorf(codes.Unavailable, "center's store: %v; try again", err)
}

func factsOf(f *centerv1.Facts) Facts {
	return Facts{
		Kernel: f.GetKernel(), OperatingSystem: f.GetOperatingSystem(), AgentVersion: f.GetAgentVersion(), HostdVersion: f.GetHostdVersion(),
		VMMVersion: f.GetVmmVersion(), BootID: f.GetBootId(), Accelerator: f.GetAccelerator(), CPUs: f.GetCpus(), CPUMHz: f.GetCpuMhz(),
		MemoryBytes: f.GetMemoryBytes(), StorageBytes: f.GetStorageBytes(),
	}
}

package hosts

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// errRemoved says that the host was removed from center; it is to clean itself.
var errRemoved = status.Error(codes.PermissionDenied, "this host has been removed from center")

// identify finds the host that calls, by the name in its certificate and by its key: a certificate outlives its host, and
// another host may have the name by now.
func (h *Hosts) identify(ctx context.Context) (Host, string, error) {
	name, key, err := peerKey(ctx)
	if err != nil {
		return Host{}, "", err
	}
	switch _, _, err := h.records.removed.Get(ctx, key); {
	case err == nil:
		return Host{}, key, errRemoved
	case !errors.Is(err, store.ErrNotFound):
		return Host{}, key, unavailable(err)
	}
	host, err := h.Find(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Host{}, key, status.Errorf(codes.Unauthenticated, "no host %s has joined; join it with: pacific host join", name)
	case err != nil:
		return Host{}, key, unavailable(err)
	case !slices.Contains(host.Keys, key):
		return Host{}, key, status.Errorf(codes.Unauthenticated, "the certificate is not one of host %s, which has newer ones; join again with: pacific host join", name)
	}
	return host, key, nil
}

func peerKey(ctx context.Context) (name, key string, err error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", "", status.Error(codes.Unauthenticated, "no peer")
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return "", "", status.Error(codes.Unauthenticated, "no client certificate; a host gets one by: pacific host join")
	}
	cert := info.State.VerifiedChains[0][0]
	name, ok = strings.CutPrefix(cert.Subject.CommonName, agentPrefix)
	if !ok {
		return "", "", status.Errorf(codes.PermissionDenied, "%q is no host's agent", cert.Subject.CommonName)
	}
	key, err = pki.KeyID(cert.PublicKey)
	return name, key, err
}

// Find is a host by its name or its id; [store.ErrNotFound].
func (h *Hosts) Find(ctx context.Context, nameOrID string) (Host, error) {
	id := nameOrID
	if named, _, err := h.records.names.Get(ctx, nameOrID); err == nil {
		id = named.Host
	} else if !errors.Is(err, store.ErrNotFound) {
		return Host{}, err
	}
	host, _, err := h.records.hosts.Get(ctx, id)
	return host, err
}

// List of all hosts, by id.
func (h *Hosts) List(ctx context.Context) ([]Host, error) {
	items, err := h.records.hosts.List(ctx)
	hosts := make([]Host, len(items))
	for i, item := range items {
		hosts[i] = item.Value
	}
	slices.SortFunc(hosts, func(a, b Host) int { return byNumber(a.ID, b.ID) })
	return hosts, err
}

// byNumber orders host-2 before host-10.
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Watch signals now and whenever a host has changed, see [store.Collection.Watch].
func (h *Hosts) Watch(ctx context.Context) <-chan struct{} { return h.records.hosts.Watch(ctx) }

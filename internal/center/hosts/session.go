package hosts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"k8s.io/klog/v2"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// session with an agent; the newest of a host counts.
type session struct {
	cancel context.CancelFunc
	seen   time.Time
	report *centerv1.Report
}

// refresh is how often the wanted state is computed though no host's record has changed: Supervisors may have.
const refresh = 2 * time.Second

// Session implements the API.
func (h *Hosts) Session(stream centerv1.Hosts_SessionServer) error {
	host, key, err := h.identify(stream.Context())
	if errors.Is(err, errRemoved) {
		return h.farewell(stream, key)
	}
	if err != nil {
		return err
	}
	if err := h.prune(stream.Context(), host.ID, key); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	s := &session{cancel: cancel, seen: h.now()}
	h.begin(host.ID, s)
	defer h.end(host.ID, s)
	klog.InfoS("Session with a host's agent began", "host", host.ID, "name", host.Name)
	reports := receive(ctx, stream)
	changed := h.records.hosts.Watch(ctx)
	ticker := time.NewTicker(refresh)
	defer ticker.Stop()
	var sent string
	for {
		select {
		case <-ctx.Done():
			return status.Errorf(codes.Aborted, "another session of host %s began", host.Name)
		case r, ok := <-reports:
			if !ok {
				return nil
			}
			if err := h.reported(ctx, host.ID, s, r); err != nil {
				return err
			}
		case <-changed:
		case <-ticker.C:
		}
		wanted, err := h.wanted(ctx, host.ID)
		if err != nil {
			return err
		}
		if wanted.GetRevision() != sent {
			if err := stream.Send(wanted); err != nil {
				return err
			}
			sent = wanted.GetRevision()
		}
	}
}

// farewell tells an agent whose host was removed in its absence, until it has cleaned the host or goes.
func (h *Hosts) farewell(stream centerv1.Hosts_SessionServer, key string) error {
	gone, _, err := h.records.removed.Get(stream.Context(), key)
	if err != nil {
		return unavailable(err)
	}
	klog.InfoS("A host that was removed has come back; it is told to clean itself", "host", gone.Host, "name", gone.Name)
	if err := stream.Send(revised(&centerv1.Wanted{Removed: true})); err != nil {
		return err
	}
	for {
		report, err := stream.Recv()
		if err != nil || report.GetRemoved() {
			return nil
		}
	}
}

func receive(ctx context.Context, stream centerv1.Hosts_SessionServer) <-chan *centerv1.Report {
	reports := make(chan *centerv1.Report)
	go func() {
		defer close(reports)
		for {
			report, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case reports <- report:
			case <-ctx.Done():
				return
			}
		}
	}()
	return reports
}

func (h *Hosts) begin(id string, s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.sessions[id]; old != nil {
		old.cancel()
		s.report = old.report
	}
	h.sessions[id] = s
}

// end keeps what the host told last; that it is gone shows by its heartbeats.
func (h *Hosts) end(id string, s *session) {
	klog.InfoS("Session with a host's agent ended", "host", id)
	s.cancel()
}

// prune forgets keys that are older than the one that the agent shows: it has stored the newer.
func (h *Hosts) prune(ctx context.Context, id, key string) error {
	_, err := h.records.hosts.Update(ctx, id, func(host *Host) error {
		at := slices.Index(host.Keys, key)
		if at <= 0 {
			return errUnchanged
		}
		host.Keys = host.Keys[at:]
		return nil
	})
	return h.storeError(err)
}

// errUnchanged ends an update that has nothing to write.
var errUnchanged = errors.New("unchanged")

func (h *Hosts) storeError(err error) error {
	switch {
	case err == nil, errors.Is(err, errUnchanged):
		return nil
	case errors.Is(err, store.ErrNotFound):
		return errRemoved
	}
	return unavailable(err)
}

// writeEvery bounds how often a heartbeat alone is written down.
const writeEvery = time.Minute

// reported takes a report in.
func (h *Hosts) reported(ctx context.Context, id string, s *session, report *centerv1.Report) error {
	if report.GetRemoved() {
		return h.cleaned(ctx, id)
	}
	now := h.now()
	h.mu.Lock()
	s.seen, s.report = now, report
	h.mu.Unlock()
	_, err := h.records.hosts.Update(ctx, id, func(host *Host) error {
		if !host.heard(report, now) {
			return errUnchanged
		}
		return nil
	})
	return h.storeError(err)
}

// heard brings the record to what was reported, and tells whether that is worth a write.
func (host *Host) heard(report *centerv1.Report, now time.Time) bool {
	facts := factsOf(report.GetFacts())
	if facts.Accelerator == "" { // hostd does not answer just now
		facts.Accelerator, facts.HostdVersion, facts.VMMVersion, facts.StorageBytes = host.Facts.Accelerator, host.Facts.HostdVersion, host.Facts.VMMVersion, host.Facts.StorageBytes
	}
	if host.Lost.IsZero() && facts == host.Facts && report.GetRevision() == host.Revision && slices.Equal(report.GetProblems(), host.Problems) && now.Sub(host.Seen) < writeEvery {
		return false
	}
	host.Lost, host.Seen, host.Facts = time.Time{}, now.UTC(), facts
	host.Revision, host.Problems = report.GetRevision(), report.GetProblems()
	return true
}

// wanted computes what the host shall be.
func (h *Hosts) wanted(ctx context.Context, id string) (*centerv1.Wanted, error) {
	host, _, err := h.records.hosts.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return revised(&centerv1.Wanted{Removed: true}), nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	node, err := h.config.Supervisors.Node(ctx, host)
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "host %s: its Supervisor: %v", host.Name, err)
	}
	members, err := h.config.Supervisors.Members(ctx, host)
	if err != nil {
		return nil, status.Errorf(codes.Unavailable, "host %s: its control plane members: %v", host.Name, err)
	}
	return revised(&centerv1.Wanted{Node: node, Members: members, Maintenance: host.Maintenance, Removed: host.Removing}), nil
}

// revised sets the revision, a hash of all else.
func revised(wanted *centerv1.Wanted) *centerv1.Wanted {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(wanted)
	if err != nil {
		panic(err) // it is made of valid strings
	}
	sum := sha256.Sum256(data)
	wanted.Revision = hex.EncodeToString(sum[:8])
	return wanted
}

// Certify implements the API. A new key of the agent is known before it is handed out, so that the agent may use it at once.
func (h *Hosts) Certify(ctx context.Context, request *centerv1.CertifyRequest) (*centerv1.CertifyResponse, error) {
	host, _, err := h.identify(ctx)
	if err != nil {
		return nil, err
	}
	if host.Removing {
		return nil, status.Errorf(codes.FailedPrecondition, "host %s is being removed", host.Name)
	}
	signed, err := h.certify(ctx, host, request.GetRequests())
	if err != nil {
		return nil, err
	}
	for _, r := range request.GetRequests() {
		if r.GetPurpose() != centerv1.Purpose_AGENT {
			continue
		}
		key, err := pki.RequestKey(r.GetRequest())
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		if err := h.learn(ctx, host.ID, key); err != nil {
			return nil, err
		}
	}
	klog.InfoS("Certificates of a host signed", "host", host.ID, "name", host.Name, "count", len(signed))
	return &centerv1.CertifyResponse{Certificates: signed, HostCa: h.config.HostCA.PEM()}, nil
}

// maxKeys bounds what an agent that asks again and again, and never uses what it got, can make the record grow to.
const maxKeys = 8

func (h *Hosts) learn(ctx context.Context, id, key string) error {
	_, err := h.records.hosts.Update(ctx, id, func(host *Host) error {
		if slices.Contains(host.Keys, key) {
			return errUnchanged
		}
		host.Keys = append(host.Keys, key)
		if len(host.Keys) > maxKeys { // the first is the one in use
			host.Keys = slices.Delete(host.Keys, 1, len(host.Keys)-maxKeys+1)
		}
		return nil
	})
	return h.storeError(err)
}

package hosts

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

func anything(*centerv1.Wanted) bool { return true }

func TestAHostIsMissedAndComesBack(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	if state, message := b.host("host-1").State(); state != Disconnected || message == "" {
		t.Errorf("before its first session: %s %s", state, message)
	}
	stream := a.session()
	a.send(stream, &centerv1.Report{Facts: &centerv1.Facts{Kernel: "6.1", Cpus: 4}})
	a.wants(stream, anything)
	if host := b.until("host-1", Connected); host.Facts.Kernel != "6.1" {
		t.Errorf("facts: %+v", host.Facts)
	}
	since := b.clock.read()
	b.clock.forward(lostAfter)
	if err := b.hosts.lookAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("host-1", Connected)
	b.clock.forward(time.Second)
	if err := b.hosts.lookAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	host := b.until("host-1", NotResponding)
	if !host.Lost.Equal(since.UTC().Truncate(time.Second)) {
		t.Errorf("lost since %v, was heard at %v", host.Lost, since)
	}
	b.clock.forward(10 * time.Minute)
	a.send(stream, &centerv1.Report{Facts: &centerv1.Facts{Kernel: "6.1", Cpus: 4}})
	b.until("host-1", Connected)
}

func TestCentersOwnAbsenceIsNoHosts(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	stream := a.session()
	a.send(stream, &centerv1.Report{})
	b.until("host-1", Connected)
	b.stop()
	b.clock.forward(time.Hour)
	b.start()
	if err := b.hosts.lookAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("host-1", Connected)
	b.clock.forward(lostAfter + time.Second)
	if err := b.hosts.lookAround(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.until("host-1", NotResponding)
}

func TestWantedStateFollowsRecordAndSupervisor(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	stream := a.session()
	plain := a.wants(stream, anything)
	if plain.GetNode() != nil || plain.GetMaintenance() || plain.GetRevision() == "" {
		t.Errorf("got %v", plain)
	}
	_, err := a.dial().Certify(t.Context(), &centerv1.CertifyRequest{Requests: []*centerv1.CertificateRequest{{Purpose: centerv1.Purpose_NODE, Request: a.asks[0].GetRequest()}}})
	wantCode(t, err, codes.FailedPrecondition)
	b.supervisor.mu.Lock()
	b.supervisor.ca = authority(t, t.TempDir(), "supervisor")
	b.supervisor.mu.Unlock()
	node := a.wants(stream, func(w *centerv1.Wanted) bool { return w.GetNode() != nil })
	if node.GetRevision() == plain.GetRevision() {
		t.Error("another state has the same revision")
	}
	signed, err := a.dial().Certify(t.Context(), &centerv1.CertifyRequest{Requests: []*centerv1.CertificateRequest{{Purpose: centerv1.Purpose_NODE, Request: a.asks[0].GetRequest()}}})
	if err != nil {
		t.Fatal(err)
	}
	cert := parse(t, signed.GetCertificates()[0].GetCertificate())
	if cert.Subject.CommonName != "system:node:host-1" || len(cert.Subject.Organization) != 1 || cert.Subject.Organization[0] != "system:nodes" {
		t.Errorf("got %v", cert.Subject)
	}
	if _, err := b.hosts.records.hosts.Update(t.Context(), "host-1", func(h *Host) error { h.Maintenance = true; return nil }); err != nil {
		t.Fatal(err)
	}
	a.wants(stream, func(w *centerv1.Wanted) bool { return w.GetMaintenance() && w.GetNode() != nil })
}

func TestANewerSessionEndsTheOlder(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	old := a.session()
	a.wants(old, anything)
	a.wants(a.session(), anything)
	for {
		if _, err := old.Recv(); err != nil {
			wantCode(t, err, codes.Aborted)
			return
		}
	}
}

func TestRenewedKeysReplaceTheOlder(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	before := *a
	key, text, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, _ := pki.Request(key)
	ask := &centerv1.CertifyRequest{Requests: []*centerv1.CertificateRequest{{Purpose: centerv1.Purpose_AGENT, Request: der}}}
	signed, err := a.dial().Certify(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	// A crash before the agent has stored it: the old one works on.
	before.wants(before.session(), anything)
	a.key, a.cert = text, signed.GetCertificates()[0].GetCertificate()
	a.wants(a.session(), anything)
	_, err = before.session().Recv()
	wantCode(t, err, codes.Unauthenticated)
	for range 20 {
		key, _, _ := pki.NewKey()
		der, _ := pki.Request(key)
		if _, err := a.dial().Certify(t.Context(), &centerv1.CertifyRequest{Requests: []*centerv1.CertificateRequest{{Purpose: centerv1.Purpose_AGENT, Request: der}}}); err != nil {
			t.Fatal(err)
		}
	}
	if host := b.host("host-1"); len(host.Keys) > maxKeys {
		t.Errorf("%d keys", len(host.Keys))
	}
	a.wants(a.session(), anything)
}

func TestStrangersHaveNoSession(t *testing.T) {
	b := newBench(t)
	a := b.agent("host-1")
	_, err := a.session().Recv()
	wantCode(t, err, codes.Unauthenticated)
	_, err = a.dial().Certify(t.Context(), &centerv1.CertifyRequest{})
	wantCode(t, err, codes.Unauthenticated)
	// A certificate of the right authority that is no host's, and one of a host that does not exist.
	for name, code := range map[string]codes.Code{"admin": codes.PermissionDenied, "host:nobody": codes.Unauthenticated} {
		signed, err := b.config.CenterCA.Sign(a.asks[0].GetRequest(), pki.Leaf{CommonName: name, Client: true}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		a.cert = signed
		_, err = a.session().Recv()
		wantCode(t, err, code)
	}
}

func TestRemovalOfAHostThatIsThere(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	stream := a.session()
	a.send(stream, &centerv1.Report{})
	b.until("host-1", Connected)
	if _, err := b.hosts.Remove(t.Context(), "host-1", false); err != nil {
		t.Fatal(err)
	}
	a.wants(stream, func(w *centerv1.Wanted) bool { return w.GetRemoved() })
	b.until("host-1", Removing)
	a.send(stream, &centerv1.Report{Removed: true})
	for {
		if _, err := stream.Recv(); err != nil {
			wantCode(t, err, codes.PermissionDenied)
			break
		}
	}
	if hosts, err := b.hosts.List(t.Context()); err != nil || len(hosts) != 0 {
		t.Errorf("%v, %v", hosts, err)
	}
	// The name is free, the number is not used again, the old key opens nothing of the new host.
	if next := b.joined("host-1", "10.0.0.11"); b.host("host-1").ID != "host-2" {
		t.Errorf("got %s", b.host("host-1").ID)
	} else {
		next.wants(next.session(), func(w *centerv1.Wanted) bool { return !w.GetRemoved() })
	}
	a.wants(a.session(), func(w *centerv1.Wanted) bool { return w.GetRemoved() })
	_, err := a.dial().Certify(t.Context(), &centerv1.CertifyRequest{})
	wantCode(t, err, codes.PermissionDenied)
}

func TestRemovalOfAHostThatIsAway(t *testing.T) {
	b := newBench(t)
	a := b.joined("host-1", "10.0.0.11")
	if _, err := b.hosts.Remove(t.Context(), "host-1", false); err != nil {
		t.Fatal(err)
	}
	if hosts, err := b.hosts.List(t.Context()); err != nil || len(hosts) != 0 {
		t.Errorf("%v, %v", hosts, err)
	}
	b.clock.forward(10 * time.Minute)
	stream := a.session()
	a.wants(stream, func(w *centerv1.Wanted) bool { return w.GetRemoved() })
	a.send(stream, &centerv1.Report{Removed: true})
	if _, err := stream.Recv(); err == nil {
		t.Error("the session goes on")
	}
}

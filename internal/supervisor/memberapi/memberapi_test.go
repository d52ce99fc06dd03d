package memberapi

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	supervisorv1 "pacific/api/supervisor/v1"
	"pacific/internal/component"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/etcd"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// fixture is a member with a real etcd and nothing else, at an address of the loopback that no other test has.
type fixture struct {
	bundle pki.Bundle
	layout pki.Layout
	self   member.Member
}

func start(t *testing.T) fixture {
	t.Helper()
	bundle, err := pki.NewBundle()
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{
		bundle: bundle, layout: pki.Layout{DataDir: filepath.Join(t.TempDir(), "data")},
		self: member.Member{Name: "cp-1", Address: netip.AddrFrom4([4]byte{127, 77, byte(rand.N(256)), byte(1 + rand.N(254))})},
	}
	if err := bundle.Install(f.layout.DataDir); err != nil {
		t.Fatal(err)
	}
	if err := f.layout.Ensure(pki.Addresses{Advertise: net.IP(f.self.Address.AsSlice()), Service: net.IPv4(10, 96, 0, 1), Server: "https://x", Member: "cp-1"}); err != nil {
		t.Fatal(err)
	}
	config := member.Config{Supervisor: "domain-c1", Name: "cp-1", Members: []member.Member{f.self}, TimeFactor: 1}
	timing := config.Timing()
	store, err := etcd.New(filepath.Join(f.layout.DataDir, "etcd"), &etcd.Peers{
		Self: f.self, Members: config.Members, Token: config.Supervisor, InitialState: member.New,
		Heartbeat: timing.EtcdHeartbeat, Election: timing.EtcdElection, Layout: f.layout,
	})
	if err != nil {
		t.Fatal(err)
	}
	api := New(Config{Member: config, Layout: f.layout, Etcd: store.Endpoint(), Version: "v1", Holder: func() string { return "cp-2" }})
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	manager := &component.Manager{Stages: []component.Stage{{store, api}}, StartTimeout: time.Minute, StopTimeout: 10 * time.Second, Ready: func() { close(ready) }}
	api.Watch(manager)
	go func() { done <- manager.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	return f
}

func (f fixture) client(t *testing.T, option grpc.DialOption) supervisorv1.MemberClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+netip.AddrPortFrom(f.self.Address, member.APIPort).String(), option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return supervisorv1.NewMemberClient(conn)
}

func TestTheAPI(t *testing.T) {
	f := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := Dial(f.self.Address, &f.bundle)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	center := supervisorv1.NewMemberClient(conn)

	t.Run("another name of the same authority is refused", func(t *testing.T) {
		config, err := hostpki.ClientConfig(f.layout.Cert(pki.MemberCA), f.layout.Cert(pki.EtcdPeer), f.layout.Key(pki.EtcdPeer))
		if err != nil {
			t.Fatal(err)
		}
		peer := f.client(t, grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if _, err := peer.GetHealth(ctx, &supervisorv1.GetHealthRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("unary: %v", err)
		}
		stream, err := peer.Snapshot(ctx, &supervisorv1.SnapshotRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("stream: %v", err)
		}
	})
	t.Run("nobody is refused", func(t *testing.T) {
		config, err := hostpki.ClientConfig(f.layout.Cert(pki.MemberCA), "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.client(t, grpc.WithTransportCredentials(credentials.NewTLS(config))).GetHealth(ctx, &supervisorv1.GetHealthRequest{}); err == nil {
			t.Error("let in")
		}
	})
	t.Run("health", func(t *testing.T) {
		health, err := center.GetHealth(ctx, &supervisorv1.GetHealthRequest{})
		if err != nil || !health.Ready || health.Member != "cp-1" || health.Supervisor != "domain-c1" || health.FloatingAddressHolder != "cp-2" ||
			health.MemoryBytes == 0 || len(health.Components) != 2 {
			t.Errorf("got %v, %v", health, err)
		}
	})
	t.Run("membership", func(t *testing.T) { testMembership(t, ctx, center, f) })
	t.Run("a snapshot ends with its checksum", func(t *testing.T) {
		stream, err := center.Snapshot(ctx, &supervisorv1.SnapshotRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var snapshot bytes.Buffer
		if err := Receive(stream, &snapshot); err != nil || snapshot.Len() < 4096 || snapshot.Len()%512 != 32 {
			t.Errorf("got %d bytes, %v", snapshot.Len(), err)
		}
	})
}

func testMembership(t *testing.T, ctx context.Context, center supervisorv1.MemberClient, f fixture) {
	_, err := center.AddEtcdLearner(ctx, &supervisorv1.AddEtcdLearnerRequest{Address: f.self.Address.String()})
	if status.Code(err) != codes.AlreadyExists {
		t.Errorf("the address of a member: %v", err)
	}
	if _, err := center.AddEtcdLearner(ctx, &supervisorv1.AddEtcdLearnerRequest{Address: "cp-2"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("no address: %v", err)
	}
	var learner *supervisorv1.EtcdMember
	for range 2 {
		if learner, err = center.AddEtcdLearner(ctx, &supervisorv1.AddEtcdLearnerRequest{Address: "127.77.0.1"}); err != nil || !learner.Learner {
			t.Fatalf("got %v, %v", learner, err)
		}
	}
	if _, err := center.PromoteEtcdMember(ctx, &supervisorv1.PromoteEtcdMemberRequest{Id: learner.Id}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("promoted what has no data: %v", err)
	}
	for range 2 {
		if _, err := center.RemoveEtcdMember(ctx, &supervisorv1.RemoveEtcdMemberRequest{Id: learner.Id}); err != nil {
			t.Error(err)
		}
	}
	if _, err := center.PromoteEtcdMember(ctx, &supervisorv1.PromoteEtcdMemberRequest{Id: learner.Id}); status.Code(err) != codes.NotFound {
		t.Errorf("promoted what is gone: %v", err)
	}
	list, err := center.ListEtcdMembers(ctx, &supervisorv1.ListEtcdMembersRequest{})
	if err != nil || len(list.Members) != 1 || list.Members[0].Name != "cp-1" || list.Leader != list.Members[0].Id {
		t.Errorf("got %v, %v", list, err)
	}
}

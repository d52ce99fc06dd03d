package leader

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"pacific/internal/component"
)

// part tells when it runs and when it has ended.
type part struct{ started, ended chan struct{} }

func (part) Name() string { return "part" }

func (p part) Run(ctx context.Context, ready func()) error {
	close(p.started)
	ready()
	<-ctx.Done()
	close(p.ended)
	return nil
}

func group(client kubernetes.Interface) (*Group, part) {
	p := part{make(chan struct{}), make(chan struct{})}
	return &Group{
		Identity: "cp-1", Lease: 3 * time.Second, Renew: time.Second, Retry: 100 * time.Millisecond,
		Stages: []component.Stage{{p}}, StartTimeout: time.Minute, StopOne: time.Minute,
		connect: func() (kubernetes.Interface, error) { return client, nil },
	}, p
}

func run(t *testing.T, g *Group) (ready chan struct{}, done chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done = make(chan struct{}, 10), make(chan error, 1)
	go func() { done <- g.Run(ctx, func() { ready <- struct{}{} }) }()
	t.Cleanup(cancel)
	return ready, done, cancel
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("not %s", what)
	}
}

func holder(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	lease, err := client.CoordinationV1().Leases(metav1.NamespaceSystem).Get(context.Background(), LeaseName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

func TestTheLeaseIsGivenBackWhenAllHasEnded(t *testing.T) {
	client := fake.NewClientset()
	g, p := group(client)
	ready, done, stop := run(t, g)
	await(t, "ready", ready)
	if got := holder(t, client); got != "cp-1" || g.Leader() != "cp-1" || g.Check(context.Background()) != nil {
		t.Errorf("the leader is %q, %q, %v", got, g.Leader(), g.Check(context.Background()))
	}
	if status := g.Status(context.Background()); len(status) != 1 || status[0].State != component.Ready {
		t.Errorf("got %v", status)
	}
	stop()
	await(t, "ended", p.ended)
	<-done
	if got := holder(t, client); got != "" {
		t.Errorf("%q has the Lease still", got)
	}
}

func TestWhoLosesTheLeaseEndsEverything(t *testing.T) {
	client := fake.NewClientset()
	var broken atomic.Bool
	client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return broken.Load(), nil, errors.New("no majority")
	})
	g, p := group(client)
	ready, done, _ := run(t, g)
	await(t, "ready", ready)
	broken.Store(true)
	await(t, "ended", p.ended)
	if err := <-done; err == nil || !strings.Contains(err.Error(), LeaseName) {
		t.Errorf("got %v", err)
	}
}

func TestWhoIsNotElectedStandsBy(t *testing.T) {
	now := metav1.NowMicro()
	client := fake.NewClientset(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: LeaseName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("cp-2"), LeaseDurationSeconds: ptr.To[int32](3600), RenewTime: &now, AcquireTime: &now},
	})
	g, p := group(client)
	ready, done, stop := run(t, g)
	await(t, "ready", ready)
	var standby component.Standby
	if err := g.Check(context.Background()); !errors.As(err, &standby) || !strings.Contains(err.Error(), "cp-2") {
		t.Errorf("got %v", err)
	}
	stop()
	<-done
	select {
	case <-p.started:
		t.Error("it ran what only the leader may")
	default:
	}
	if got := holder(t, client); got != "cp-2" {
		t.Errorf("the Lease is %q's now", got)
	}
}

// Package leader runs components of which only one member of a Supervisor may have each: one member is elected, and runs
// them all. The others keep nothing of them in memory.
package leader

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"pacific/internal/component"
)

// LeaseName of the Lease, in kube-system, that says who the leader is.
const LeaseName = "pacific-control-plane"

// Group is the component.
//
// Whoever loses the Lease ends its process, in order, as it would on SIGTERM: only so is it sure that nothing goes on that
// another member has begun. The next start stands by.
type Group struct {
	// Identity is the name of the member: one that was killed and comes back before its Lease is over is still the leader.
	Identity, Kubeconfig  string
	Lease, Renew, Retry   time.Duration
	Stages                []component.Stage
	StartTimeout, StopOne time.Duration

	connect func() (kubernetes.Interface, error) // nil for the kubeconfig's; tests have another

	mu      sync.Mutex
	leader  string
	manager *component.Manager
}

// Name of the component.
func (*Group) Name() string { return "leader election" }

// Run stands by until it is elected, and then runs the components. It is ready when they are, or another one leads.
func (g *Group) Run(ctx context.Context, ready func()) error {
	lock, err := g.lock()
	if err != nil {
		return err
	}
	// The Lease is given back only when all of the components have ended.
	electing, give := context.WithCancel(context.WithoutCancel(ctx))
	defer give()
	elected, lost := make(chan struct{}), make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: g.Lease, RenewDeadline: g.Renew, RetryPeriod: g.Retry, ReleaseOnCancel: true, Name: LeaseName,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { close(elected) },
			OnStoppedLeading: func() { close(lost) },
			OnNewLeader:      func(identity string) { g.newLeader(identity, ready) },
		},
	})
	if err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	go elector.Run(electing)
	defer func() { give(); <-lost }()
	select {
	case <-elected:
	case <-ctx.Done():
		return ctx.Err()
	}
	return g.lead(ctx, elector, ready)
}

func (g *Group) lock() (resourcelock.Interface, error) {
	connect := g.connect
	if connect == nil {
		connect = g.client
	}
	client, err := connect()
	if err != nil {
		return nil, err
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: LeaseName},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: g.Identity},
	}, nil
}

func (g *Group) client() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", g.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	config.Timeout = g.Renew / 2 // one lost answer must not cost the Lease
	config.UserAgent = "pacific-leader-election"
	return kubernetes.NewForConfig(config)
}

func (g *Group) newLeader(identity string, ready func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leader = identity
	klog.InfoS("The member that runs what only one may run", "leader", identity)
	if identity != g.Identity {
		ready()
	}
}

var errLost = errors.New("the Lease " + LeaseName + " could not be renewed in time, another member may have it; the process ends, and begins again as one that stands by")

// lead runs the components until ctx is cancelled, one of them ends, or the Lease is lost.
func (g *Group) lead(ctx context.Context, elector *leaderelection.LeaderElector, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The elector says so itself only after it has tried to give the Lease back, which takes as long as a renewal.
	go wait.UntilWithContext(ctx, func(context.Context) {
		if elector.Check(g.Renew-g.Lease) != nil {
			cancel(errLost)
		}
	}, g.Retry/2)
	manager := &component.Manager{Stages: g.Stages, StartTimeout: g.StartTimeout, StopTimeout: g.StopOne, Ready: ready}
	g.mu.Lock()
	g.manager, g.leader = manager, g.Identity // the elector tells later
	g.mu.Unlock()
	err := manager.Run(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errLost) {
		return cause
	}
	return err
}

// Leader is the name of the member that leads, as far as this one knows.
func (g *Group) Leader() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leader
}

// Check tells who leads when it is another one.
func (g *Group) Check(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.leader {
	case g.Identity:
		return nil
	case "":
		return errors.New("no leader is known yet")
	}
	return component.Standby("leader is " + g.leader)
}

// Status of the components while this member leads.
func (g *Group) Status(ctx context.Context) []component.Status {
	g.mu.Lock()
	manager := g.manager
	g.mu.Unlock()
	if manager == nil {
		return nil
	}
	return manager.Status(ctx)
}

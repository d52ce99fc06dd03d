package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/component-helpers/apimachinery/lease"
	nodeutil "k8s.io/component-helpers/node/util"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/spherelet/eviction"
)

var equal = equality.Semantic.DeepEqual

const (
	// ObserveEvery is how often the host is looked at, the kubelet's nodeStatusUpdateFrequency.
	ObserveEvery = 10 * time.Second
	// ReportEvery is how often an unchanged status is written, the kubelet's nodeStatusReportFrequency.
	ReportEvery = 5 * time.Minute
	// patience with a hostd that does not answer: a restart takes a second or two, and a node that is said to be not
	// ready takes all its pods out of their Services at once.
	patience = 20 * time.Second
	// LeaseSeconds is the kubelet's default; the lease is renewed four times in it.
	LeaseSeconds = 40
)

// Agent registers the node and keeps its status.
type Agent struct {
	machine Machine
	kube    kubernetes.Interface
	host    hostv1.HostClient
	store   hostv1.ImagesClient
	poke    chan struct{}
	known   chan struct{} // closed when hostd has answered

	mu       sync.Mutex
	last     *hostv1.GetHostResponse
	lostAt   time.Time // since when hostd does not answer; zero while it does
	lost     error
	node     *v1.Node
	reported time.Time
	used     usage
	images   []v1.ContainerImage

	pressures func() []v1.NodeConditionType
	ready     func() error
	collected collections
}

// NewAgent makes an agent.
func NewAgent(machine Machine, kube kubernetes.Interface, host hostv1.HostClient, images hostv1.ImagesClient) *Agent {
	return &Agent{machine: machine, kube: kube, host: host, store: images, poke: make(chan struct{}, 1), known: make(chan struct{}),
		pressures: func() []v1.NodeConditionType { return nil }, ready: func() error { return nil }}
}

// Watch tells where the node's pressures come from, and what beside hostd can keep it from being ready. It must be called
// before Run.
func (a *Agent) Watch(pressures func() []v1.NodeConditionType, ready func() error) {
	a.pressures, a.ready = pressures, ready
}

// Tell lets the agent record events of the node. It must be called before Run.
func (a *Agent) Tell(events record.EventRecorder) {
	a.collected = collections{events: events, node: &v1.ObjectReference{Kind: "Node", Name: a.machine.Name, UID: types.UID(a.machine.Name)}, told: time.Now()}
}

// Known is closed once hostd has said what the host is; before, nothing can be fitted into it.
func (a *Agent) Known() <-chan struct{} { return a.known }

// Node is the object as it was seen last, nil if it never was.
func (a *Agent) Node() *v1.Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.node
}

// Refresh reads the object now.
func (a *Agent) Refresh(ctx context.Context) (*v1.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	node, err := a.kube.CoreV1().Nodes().Get(ctx, a.machine.Name, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get node %s: %w", a.machine.Name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.node = node
	return node, nil
}

// Levels of what may run out, of those that can be seen now.
func (a *Agent) Levels() map[eviction.Signal]eviction.Level {
	a.mu.Lock()
	host := a.last
	if a.lost != nil {
		host = nil
	}
	a.mu.Unlock()
	return levels(host, memoryAvailable(), processes())
}

// Poke asks for a look at the host now, as when hostd has gone or come back.
func (a *Agent) Poke() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// Host is what hostd said last, nil if it has not yet.
func (a *Agent) Host() *hostv1.GetHostResponse {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// Allocatable is what pods of this node can have.
func (a *Agent) Allocatable() v1.ResourceList { return Allocatable(a.machine, a.Host()) }

// Healthy tells why the node cannot run pods; nil if it can.
func (a *Agent) Healthy() error { return a.observation(time.Now()).Problem }

// Run keeps status and heartbeat until ctx ends.
func (a *Agent) Run(ctx context.Context) {
	heartbeat := lease.NewController(clock.RealClock{}, a.kube, a.machine.Name, LeaseSeconds, func() { a.Poke() },
		LeaseSeconds*time.Second/4, a.machine.Name, v1.NamespaceNodeLease, a.prepareLease)
	started := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.poke:
		case <-timer.C:
		}
		a.Look(ctx)
		next := ObserveEvery
		if err := a.report(ctx); err != nil {
			klog.ErrorS(err, "Node status could not be written; trying again")
			next = 2 * time.Second
		} else if !started {
			started = true
			go heartbeat.Run(ctx)
		}
		if a.Healthy() != nil || a.unanswered() {
			next = min(next, 2*time.Second)
		}
		timer.Reset(next)
	}
}

// Look asks hostd once.
func (a *Agent) Look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	host, err := a.host.GetHost(ctx, &hostv1.GetHostRequest{})
	var list *hostv1.ListImagesResponse
	if err == nil {
		list, err = a.store.List(ctx, &hostv1.ListImagesRequest{})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = err
	switch {
	case err == nil:
		if a.last == nil {
			close(a.known)
		}
		a.last, a.lostAt = host, time.Time{}
		a.used = a.used.next(host, time.Now())
		a.images = images(list.Images)
		a.collected.tell(list.LastCollection)
	case a.lostAt.IsZero():
		a.lostAt = time.Now()
	}
}

func (a *Agent) unanswered() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost != nil
}

func (a *Agent) observation(now time.Time) Observation {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := Observation{Host: a.last, Images: a.images, Pressures: a.pressures(), NotReady: a.ready()}
	switch {
	case a.last == nil && a.lost == nil:
		o.Problem = fmt.Errorf("it has not been asked yet")
	case a.lost != nil && (a.last == nil || now.Sub(a.lostAt) > patience):
		o.Problem = a.lost
	}
	return o
}

// report writes the status where it differs or is old.
func (a *Agent) report(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	node, err := a.ensure(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	after := node.DeepCopy()
	after.Status = Status(node.Status, a.machine, a.observation(now), now)
	if !changed(node.Status, after.Status) && now.Sub(a.reported) < ReportEvery {
		return nil
	}
	updated, _, err := nodeutil.PatchNodeStatus(a.kube.CoreV1(), types.NodeName(node.Name), node, after)
	if err != nil {
		return fmt.Errorf("patch status of node %s: %w", node.Name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reported, a.node = now, updated
	return nil
}

// ensure returns the Node object, which it makes or corrects if needed.
func (a *Agent) ensure(ctx context.Context) (*v1.Node, error) {
	node, err := a.kube.CoreV1().Nodes().Get(ctx, a.machine.Name, metav1.GetOptions{ResourceVersion: "0"})
	if apierrors.IsNotFound(err) {
		return a.register(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("get node %s: %w", a.machine.Name, err)
	}
	want := node.DeepCopy()
	for k, v := range Labels(a.machine) {
		if have, ok := want.Labels[k]; !ok || have != v {
			metav1.SetMetaDataLabel(&want.ObjectMeta, k, v)
		}
	}
	if equal(node.Labels, want.Labels) {
		return node, nil
	}
	updated, err := a.kube.CoreV1().Nodes().Update(ctx, want, metav1.UpdateOptions{})
	if err != nil {
		return nil, fmt.Errorf("correct the labels of node %s: %w", node.Name, err)
	}
	return updated, nil
}

func (a *Agent) register(ctx context.Context) (*v1.Node, error) {
	now := time.Now()
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: a.machine.Name, Labels: Labels(a.machine)}}
	node.Status = Status(v1.NodeStatus{}, a.machine, a.observation(now), now)
	created, err := a.kube.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return a.kube.CoreV1().Nodes().Get(ctx, a.machine.Name, metav1.GetOptions{})
	}
	if err != nil {
		return nil, fmt.Errorf("register node %s: %w", a.machine.Name, err)
	}
	klog.InfoS("Node registered", "node", created.Name)
	return created, nil
}

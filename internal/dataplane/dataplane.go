// Package dataplane is the daemon that connects a host's pods: overlay between the hosts, a route for every pod's port,
// Services, and the way out. It runs on every host, and in the control plane for the sake of routes and Services.
//
// It keeps no state. One function turns what the API server says and what links there are into the desired state of the
// kernel (package plan), another makes the kernel so (package kernel); both run whenever anything changes. When the daemon
// ends it leaves everything as it is, and it changes nothing before it has heard the whole truth from the API server:
// connections do not notice.
package dataplane

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"pacific/internal/dataplane/firewall"
	"pacific/internal/dataplane/kernel"
	"pacific/internal/dataplane/plan"
	"pacific/internal/dataplane/service"
)

// Config is what the flags of cmd/dataplane say.
type Config struct {
	NodeName   string
	NodeIP     string
	Kubeconfig string
	// Interface carries NodeIP and the traffic between hosts.
	Interface string
	// ControlPlane: takes part in routing and Services, has no Node object and no pods.
	ControlPlane bool
	// HealthAddress serves /healthz and /metrics over HTTP; empty for off.
	HealthAddress string
}

// Run is the daemon. It ends when ctx is done or a part of it cannot go on.
func Run(ctx context.Context, config Config) error { return run(ctx, config, new(health)) }

// health is whether the last run of the reconciler succeeded.
type health = atomic.Bool

func run(ctx context.Context, config Config, healthy *health) error {
	address, err := netip.ParseAddr(config.NodeIP)
	if err != nil {
		return fmt.Errorf("--node-ip %q is no IP address", config.NodeIP)
	}
	client, err := connect(config.Kubeconfig)
	if err != nil {
		return err
	}
	if err := kernel.EnableForwarding(); err != nil {
		return fmt.Errorf("make the host a router: %w (the dataplane needs root in the host's network namespace)", err)
	}
	rules, err := firewall.New()
	if err != nil {
		return err
	}
	host := plan.Host{Name: config.NodeName, Address: address}
	watcher := newSources(client, config)
	reconciler := newReconciler(host, config.Interface, watcher, rules)
	reconciler.healthy = healthy
	announcer := newAnnouncer(client, watcher.pods)
	reconciler.announce = announcer.Announce
	services := &service.Proxy{Client: client, Host: host, HasNode: !config.ControlPlane}
	reconciler.onHostNetwork = services.OnHostNetwork

	parts := []func(context.Context) error{reconciler.Run, announcer.Run, services.Run, reconciler.watcher.Run}
	if config.HealthAddress != "" {
		parts = append(parts, func(ctx context.Context) error { return serveHealth(ctx, config.HealthAddress, reconciler) })
	}
	return runAll(ctx, parts)
}

// runAll runs the parts side by side until the first ends, and returns its error.
func runAll(ctx context.Context, parts []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(parts))
	for _, part := range parts {
		go func() { results <- part(ctx) }()
	}
	first := <-results
	cancel()
	for range len(parts) - 1 {
		<-results
	}
	return first
}

func connect(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read --kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 200, 400 // a burst of pods is announced at once
	config.ContentConfig = rest.ContentConfig{
		AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json",
		ContentType:        "application/vnd.kubernetes.protobuf",
	}
	return kubernetes.NewForConfig(config)
}

// sources are the objects of the API server that the kernel's state follows from.
type sources struct {
	nodes        cache.SharedIndexInformer
	controlPlane cache.SharedIndexInformer
	pods         cache.SharedIndexInformer // nil in the control plane
}

func newSources(client kubernetes.Interface, config Config) *sources {
	s := &sources{
		nodes: informers.NewSharedInformerFactory(client, 0).Core().V1().Nodes().Informer(),
		controlPlane: informers.NewSharedInformerFactoryWithOptions(client, 0,
			informers.WithNamespace(metav1.NamespaceDefault),
			informers.WithTweakListOptions(func(options *metav1.ListOptions) {
				options.LabelSelector = discoveryv1.LabelServiceName + "=kubernetes"
			})).Discovery().V1().EndpointSlices().Informer(),
	}
	if !config.ControlPlane {
		s.pods = informers.NewSharedInformerFactoryWithOptions(client, 0,
			informers.WithTweakListOptions(func(options *metav1.ListOptions) {
				options.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", config.NodeName).String()
			})).Core().V1().Pods().Informer()
	}
	return s
}

// run starts the informers and returns when they have everything; each change is told from then on.
func (s *sources) run(ctx context.Context, changed func()) error {
	var synced []cache.InformerSynced
	for _, informer := range []cache.SharedIndexInformer{s.nodes, s.controlPlane, s.pods} {
		if informer == nil {
			continue
		}
		handler, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { changed() },
			UpdateFunc: func(old, new any) { changedObject(old, new, changed) },
			DeleteFunc: func(any) { changed() },
		})
		if err != nil {
			return err
		}
		go informer.RunWithContext(ctx)
		synced = append(synced, handler.HasSynced)
	}
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return ctx.Err()
	}
	return nil
}

// changedObject keeps the heartbeats of nodes from causing work.
func changedObject(old, new any, changed func()) {
	before, ok := old.(*corev1.Node)
	if after, _ := new.(*corev1.Node); ok && plan.SameNode(before, after) {
		return
	}
	changed()
}

func listOf[T any](informer cache.SharedIndexInformer) []T {
	if informer == nil {
		return nil
	}
	var all []T
	for _, object := range informer.GetStore().List() {
		all = append(all, object.(T))
	}
	return all
}

// resync repairs what no event tells of, such as a firewall table that was flushed by hand.
const resync = time.Minute

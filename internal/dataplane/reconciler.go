package dataplane

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	"pacific/internal/dataplane/firewall"
	"pacific/internal/dataplane/kernel"
	"pacific/internal/dataplane/plan"
)

// maxRetry bounds the wait before a failed run is repeated; an event repeats it at once.
const maxRetry = 10 * time.Second

// reconciler makes the kernel what the sources say, each time that a source or the kernel reports a change. Changes that
// come while it works are one more run.
type reconciler struct {
	host     plan.Host
	underlay string
	sources  *sources
	firewall *firewall.Firewall
	watcher  *kernel.Watcher
	announce func([]*corev1.Pod)
	// onHostNetwork takes the addresses of the machines of pods that have the host's address towards others.
	onHostNetwork func(map[types.UID][]netip.Addr)
	triggered     chan struct{}

	healthy   *health
	prepared  map[string]int // index of each port's interface when it was prepared; a new interface has a new one
	applied   *firewall.Rules
	appliedAt time.Time
}

func newReconciler(host plan.Host, underlay string, sources *sources, rules *firewall.Firewall) *reconciler {
	r := &reconciler{
		host:      host,
		underlay:  underlay,
		sources:   sources,
		firewall:  rules,
		triggered: make(chan struct{}, 1),
		prepared:  map[string]int{},
		healthy:   new(health),
	}
	r.watcher = &kernel.Watcher{Changed: r.trigger}
	return r
}

func (r *reconciler) trigger() {
	select {
	case r.triggered <- struct{}{}:
	default: // a run is due already
	}
}

// Run reconciles until ctx is done. It does nothing before the sources are complete, or it would remove the routes of
// pods that it has not heard of yet.
func (r *reconciler) Run(ctx context.Context) error {
	if err := r.sources.run(ctx, r.trigger); err != nil {
		return err
	}
	r.trigger()
	retry := time.Duration(0)
	timer := time.NewTimer(resync)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.triggered:
		case <-timer.C:
		}
		err := r.reconcile(ctx)
		r.healthy.Store(err == nil)
		if err == nil {
			retry = 0
			timer.Reset(resync)
			continue
		}
		retry = min(max(2*retry, 100*time.Millisecond), maxRetry)
		klog.ErrorS(err, "The host's network is not as it should be, trying again", "in", retry)
		timer.Reset(retry)
	}
}

func (r *reconciler) reconcile(ctx context.Context) error {
	links, err := kernel.ReadLinks()
	if err != nil {
		return err
	}
	changed, err := kernel.EnsureOverlay(links, r.underlay, r.host.Address)
	if err != nil {
		return err
	}
	if changed {
		if links, err = kernel.ReadLinks(); err != nil {
			return err
		}
	}
	if err := errors.Join(kernel.LoosenFilter(r.underlay), kernel.LoosenFilter(plan.OverlayInterface)); err != nil {
		return err
	}
	prefixes, ports, want := r.desired(links.Ports())
	r.onHostNetwork(plan.OnHostNetwork(ports))
	r.watcher.OwnLinks.Store(ownLinks(links, ports))
	if err := r.prepare(links, ports); err != nil {
		return err
	}
	// The firewall first: a port that passes traffic never does so without it.
	if err := r.applyFirewall(ctx, firewall.Rules{Host: r.host.Address, Prefixes: prefixes, Ports: ports}); err != nil {
		return err
	}
	if err := applyState(links, want); err != nil {
		return err
	}
	r.announcePorts(ports)
	return nil
}

// desired is the pure part: objects and interfaces in, state out.
func (r *reconciler) desired(interfaces map[string]bool) ([]netip.Prefix, []plan.Port, plan.State) {
	nodes := listOf[*corev1.Node](r.sources.nodes)
	var prefixes []netip.Prefix
	for _, node := range nodes {
		if node.Name == r.host.Name {
			prefixes = plan.PodPrefixes(node)
		}
	}
	peers := plan.Peers(r.host, nodes, listOf[*discoveryv1.EndpointSlice](r.sources.controlPlane))
	ports := plan.Ports(prefixes, listOf[*corev1.Pod](r.sources.pods), interfaces)
	want := plan.Overlay(r.host, prefixes, peers)
	want.AddPorts(r.host, ports)
	return prefixes, ports, want
}

func applyState(links kernel.Links, want plan.State) error {
	have, err := kernel.Read(links)
	if err != nil {
		return err
	}
	changes := plan.Diff(have, want)
	if changes.Empty() {
		return nil
	}
	klog.V(2).InfoS("Changing the kernel's state", "set", changes.Set.Summary(), "remove", changes.Remove.Summary())
	return kernel.Apply(links, changes)
}

// prepare sets up the interfaces that it has not seen yet.
func (r *reconciler) prepare(links kernel.Links, ports []plan.Port) error {
	prepared := map[string]int{}
	var errs []error
	for _, port := range ports {
		index := links.Index(port.Interface)
		if r.prepared[port.Interface] != index {
			if err := kernel.PreparePort(links, port.Interface, slices.ContainsFunc(port.Addresses, netip.Addr.Is6)); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		prepared[port.Interface] = index
	}
	r.prepared = prepared
	return errors.Join(errs...)
}

// applyFirewall writes the table when it would change, and now and then.
func (r *reconciler) applyFirewall(ctx context.Context, rules firewall.Rules) error {
	if r.applied != nil && r.applied.Equal(rules) && time.Since(r.appliedAt) < resync {
		return nil
	}
	if err := r.firewall.Apply(ctx, rules); err != nil {
		return err
	}
	r.applied, r.appliedAt = &rules, time.Now()
	return nil
}

func (r *reconciler) announcePorts(ports []plan.Port) {
	var pods []*corev1.Pod
	for _, port := range ports {
		if !plan.Ready(port.Pod) {
			pods = append(pods, port.Pod)
		}
	}
	r.announce(pods)
}

func ownLinks(links kernel.Links, ports []plan.Port) *map[int]bool {
	own := map[int]bool{links.Index(plan.OverlayInterface): true}
	for _, port := range ports {
		own[links.Index(port.Interface)] = true
	}
	return &own
}

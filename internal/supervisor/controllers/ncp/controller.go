// Package ncp gives every pod its address: it writes the annotation pacific.internal/network of pods that are bound to a
// node, with addresses of that node's podCIDRs.
//
// The annotations are the only record of what is given away. The allocator is rebuilt from them at every start, before
// anything is given.
package ncp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"pacific/internal/supervisor/controllers/ncp/ipam"
	"pacific/internal/supervisor/controllers/reconcile"
)

// workers patch side by side; a patch takes some milliseconds, so that 100 pods have their addresses within a second.
const workers = 16

// Config is what the controller needs of its surroundings.
type Config struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	Recorder  record.EventRecorder
}

// Controller gives addresses. Make it with NewController.
type Controller struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	start    func(stop <-chan struct{})
	synced   []cache.InformerSynced
	pods     corelisters.PodLister
	nodes    corelisters.NodeLister
	loop     *reconcile.Loop[reconcile.PodKey]
	ipam     *ipam.Allocator

	mu      sync.Mutex
	waiting map[reconcile.PodKey]netip.Prefix // pods that found this prefix exhausted
}

// NewController makes a controller that does nothing before Run. It must be made before the informers are started or
// after; Run starts those that it needs.
func NewController(config Config) *Controller {
	pods, nodes := config.Informers.Core().V1().Pods(), config.Informers.Core().V1().Nodes()
	c := &Controller{
		client:   config.Client,
		recorder: config.Recorder,
		start:    config.Informers.Start,
		pods:     pods.Lister(),
		nodes:    nodes.Lister(),
		loop:     reconcile.New[reconcile.PodKey]("ncp"),
		ipam:     ipam.New(),
		waiting:  map[reconcile.PodKey]netip.Prefix{},
	}
	podsHandled, _ := pods.Informer().AddEventHandler(reconcile.OnPods(func(pod *corev1.Pod) { c.loop.Add(reconcile.KeyOf(pod)) }))
	nodesHandled, _ := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(node any) { c.nodeChanged(nil, node) },
		UpdateFunc: c.nodeChanged,
	})
	c.synced = []cache.InformerSynced{podsHandled.HasSynced, nodesHandled.HasSynced}
	return c
}

// Run gives addresses until ctx is done.
func (c *Controller) Run(ctx context.Context) error {
	c.start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), c.synced...) {
		return ctx.Err()
	}
	if err := c.rebuild(); err != nil {
		return err
	}
	return c.loop.Run(ctx, workers, c.sync)
}

// rebuild holds every address that a pod's annotation rightfully claims.
func (c *Controller) rebuild() error {
	pods, err := c.pods.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	pods = slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool { return !wantsAddress(pod) })
	slices.SortFunc(pods, claimsFirst)
	for _, pod := range pods {
		if node, err := c.nodes.Get(pod.Spec.NodeName); err == nil {
			c.hold(pod, prefixes(node))
		}
	}
	return nil
}

// hold records the addresses of the pod's annotation as far as they are of its node and free.
func (c *Controller) hold(pod *corev1.Pod, prefixes []netip.Prefix) {
	for _, addr := range annotated(pod) {
		for _, prefix := range prefixes {
			if prefix.Contains(addr) && !c.ipam.Hold(string(pod.UID), prefix, addr) {
				klog.InfoS("Address claimed by a second pod, which gets another one", "pod", klog.KObj(pod), "address", addr)
			}
		}
	}
}

// nodeChanged looks at the node's pods again when its prefixes have changed, most of all when it gets its first.
func (c *Controller) nodeChanged(old, obj any) {
	node := obj.(*corev1.Node)
	if before, ok := old.(*corev1.Node); ok && slices.Equal(prefixes(before), prefixes(node)) {
		return
	}
	pods, err := c.pods.List(labels.Everything())
	if err != nil {
		return
	}
	for _, pod := range pods {
		if pod.Spec.NodeName == node.Name {
			c.loop.Add(reconcile.KeyOf(pod))
		}
	}
}

func (c *Controller) sync(ctx context.Context, key reconcile.PodKey) error {
	pod, err := c.pods.Pods(key.Namespace).Get(key.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err != nil || pod.UID != key.UID || !wantsAddress(pod) {
		c.release(key)
		return nil
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	if apierrors.IsNotFound(err) {
		return nil // the node's arrival brings the pod back
	}
	if err != nil {
		return err
	}
	return c.assign(ctx, pod, prefixes(node))
}

// assign makes the annotation say which addresses the pod has. A node without prefixes is not ready yet.
func (c *Controller) assign(ctx context.Context, pod *corev1.Pod, prefixes []netip.Prefix) error {
	if len(prefixes) == 0 {
		return nil
	}
	var addrs []netip.Addr
	for _, prefix := range prefixes {
		addr, err := c.allocate(pod, prefix)
		if errors.Is(err, ipam.ErrExhausted) {
			return c.reportExhausted(ctx, pod, prefix)
		}
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
	}
	if err := c.annotate(ctx, pod, networkOf(pod, addrs)); err != nil {
		return ignoreGone(err)
	}
	return ignoreGone(c.clearExhausted(ctx, pod))
}

// allocate also records that the pod waits, under the lock under which release looks for waiting pods: otherwise an
// address freed in between would wake nobody.
func (c *Controller) allocate(pod *corev1.Pod, prefix netip.Prefix) (netip.Addr, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	addr, err := c.ipam.Allocate(string(pod.UID), prefix)
	if errors.Is(err, ipam.ErrExhausted) {
		c.waiting[reconcile.KeyOf(pod)] = prefix
	} else {
		delete(c.waiting, reconcile.KeyOf(pod))
	}
	return addr, err
}

// release frees the pod's addresses and wakes the pods that wait for one.
func (c *Controller) release(key reconcile.PodKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, key)
	for _, addr := range c.ipam.Release(string(key.UID)) {
		for waiting, prefix := range c.waiting {
			if prefix.Contains(addr) {
				c.loop.Add(waiting)
			}
		}
	}
}

// ignoreGone drops the errors of a pod that is deleted meanwhile; its delete event releases what it holds. A conflict is
// the answer to a patch that names the UID of a pod whose name another one has by now.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}

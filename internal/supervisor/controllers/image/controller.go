// Package image is the image controller: it has the images of every pod pulled on the pod's host, and writes the
// annotations pacific.internal/images and vmware-system-image-references.
//
// The annotation is the only record: a restarted controller asks the host again for what it does not name.
package image

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"pacific/internal/supervisor/controllers/reconcile"
)

// workers decide and write; pulls have goroutines of their own, so a slow registry holds none of them.
const workers = 8

// Config is what the controller needs of its surroundings.
type Config struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	// HostDialer returns the connection to hostd of a node. It is shared: the controller does not close it.
	HostDialer func(ctx context.Context, nodeName string) (*grpc.ClientConn, error)
	// RegistryConfigDir holds <host:port>/ca.crt and hosts.json, for resolving tags.
	RegistryConfigDir string
	Recorder          record.EventRecorder
}

// Controller pulls images. Make it with NewController.
type Controller struct {
	Config
	pods   corelisters.PodLister
	synced cache.InformerSynced
	loop   *reconcile.Loop[reconcile.PodKey]
	pulls  sync.WaitGroup
	now    func() time.Time

	mu    sync.Mutex
	known map[reconcile.PodKey]*podState
}

// podState is what the controller does for one pod.
type podState struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	attempts map[string]attempt // by key of the annotation
	shown    map[string]string  // reason that events told last, by key
}

// attempt is what is known of the image under this key; nothing, if it was another image until now.
func (s *podState) attempt(key, image string) attempt {
	if a := s.attempts[key]; a.image == image {
		return a
	}
	return attempt{image: image}
}

// NewController makes a controller that does nothing before Run.
func NewController(config Config) *Controller {
	pods := config.Informers.Core().V1().Pods()
	c := &Controller{
		Config: config,
		pods:   pods.Lister(),
		loop:   reconcile.New[reconcile.PodKey]("image"),
		now:    time.Now,
		known:  map[reconcile.PodKey]*podState{},
	}
	handled, _ := pods.Informer().AddEventHandler(reconcile.OnPods(func(pod *corev1.Pod) {
		if pod.Spec.NodeName != "" {
			c.loop.Add(reconcile.KeyOf(pod))
		}
	}))
	c.synced = handled.HasSynced
	return c
}

// Run works until ctx is done, and returns when no pull is under way any more.
func (c *Controller) Run(ctx context.Context) error {
	c.Informers.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), c.synced) {
		return ctx.Err()
	}
	err := c.loop.Run(ctx, workers, c.sync)
	c.pulls.Wait()
	return err
}

func (c *Controller) sync(ctx context.Context, key reconcile.PodKey) error {
	p, err := c.pods.Pods(key.Namespace).Get(key.Name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err != nil || p.UID != key.UID || !wantsImages(p) {
		c.forget(key)
		return nil
	}
	now := c.now()
	d := c.plan(ctx, key, p, now)
	if err := c.write(ctx, p, d); err != nil {
		return err
	}
	if !d.next.IsZero() {
		c.loop.AddAfter(key, d.next.Sub(now))
	}
	return nil
}

// plan decides, and starts the pulls of the decision.
func (c *Controller) plan(ctx context.Context, key reconcile.PodKey, p *corev1.Pod, now time.Time) decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	state, ok := c.known[key]
	if !ok {
		state = &podState{attempts: map[string]attempt{}, shown: map[string]string{}}
		state.ctx, state.cancel = context.WithCancelCause(ctx)
		c.known[key] = state
	}
	d := decide(now, wanted(p), recorded(p), state.attempts)
	for _, look := range d.check {
		a := state.attempt(look.key, look.image)
		a.checkedAt = now
		state.attempts[look.key] = a
		c.pulls.Go(func() { c.check(state.ctx, key, p, look) })
	}
	for _, start := range d.start {
		a := state.attempt(start.key, start.image)
		a.running = true
		state.attempts[start.key] = a
		c.pulls.Go(func() { c.pull(state.ctx, key, p, start) })
	}
	c.tell(p, state, d.images)
	return d
}

// pull gets one image and keeps what came of it.
func (c *Controller) pull(ctx context.Context, key reconcile.PodKey, p *corev1.Pod, want image) {
	digest, err := c.ensure(ctx, p, want)
	if ctx.Err() != nil {
		return // the pod or the controller has ended
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	state, ok := c.known[key]
	if !ok || state.attempts[want.key].image != want.image {
		return
	}
	a := state.attempts[want.key]
	a.running = false
	if err == nil {
		a = attempt{image: want.image, digest: digest, checkedAt: c.now()}
	} else {
		a.failures++
		a.failedAt = c.now()
		a.reason, a.message = reasonOf(err), err.Error()
	}
	state.attempts[want.key] = a
	c.loop.Add(key)
}

// check looks whether the host still has an image that the annotation promises. One that was lost is pulled again.
func (c *Controller) check(ctx context.Context, key reconcile.PodKey, p *corev1.Pod, look image) {
	lost, err := c.lost(ctx, p, look)
	if err != nil || !lost {
		return // a host that does not answer is asked again later
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	state, ok := c.known[key]
	if !ok || state.attempts[look.key].image != look.image || state.attempts[look.key].running {
		return
	}
	state.attempts[look.key] = attempt{image: look.image, lost: look.digest}
	c.loop.Add(key)
}

// forget ends what is done for a pod that needs no images any more.
func (c *Controller) forget(key reconcile.PodKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state, ok := c.known[key]; ok {
		state.cancel(fmt.Errorf("pod %s/%s is ending", key.Namespace, key.Name))
		delete(c.known, key)
	}
}

func (c *Controller) write(ctx context.Context, p *corev1.Pod, d decision) error {
	if untold(p) && !news(d.images) {
		return nil
	}
	values, err := annotations(d.images)
	if err != nil || !differs(p, values) {
		return err
	}
	body, err := patch(p, values)
	if err != nil {
		return err
	}
	_, err = c.Client.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another pod of the name: its own event follows
	}
	return err
}

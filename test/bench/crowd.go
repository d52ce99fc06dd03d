package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// crowdLimit is for all to become Ready, or to go.
const crowdLimit = 10 * time.Minute

// together is how many creates are under way at once, so that the client is not what is measured.
const together = 10

// crowd of pods that are started at once.
type crowd struct {
	*cluster
	name  string
	count int

	mu      sync.Mutex
	created map[string]time.Time
	ready   map[string]time.Time
	lapses  int
	change  chan struct{} // one became Ready
}

func (c *cluster) newCrowd(name string, count int) *crowd {
	return &crowd{cluster: c, name: name, count: count, created: map[string]time.Time{}, ready: map[string]time.Time{}, change: make(chan struct{}, 1)}
}

func (c *crowd) list() metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: "crowd=" + c.name}
}

// start creates all and waits until all are Ready. The watch goes on until ctx is done.
func (c *crowd) start(ctx context.Context) (*Crowd, error) {
	go c.follow(ctx)
	began := time.Now()
	if err := c.create(ctx); err != nil {
		return nil, err
	}
	if err := c.allReady(ctx); err != nil {
		return nil, err
	}
	result := &Crowd{Pods: c.count}
	c.mu.Lock()
	defer c.mu.Unlock()
	var each []time.Duration
	for name, at := range c.ready {
		each = append(each, at.Sub(c.created[name]))
		result.AllReady = max(result.AllReady, at.Sub(began).Seconds())
	}
	result.P50, result.P90 = percentile(each, 50).Seconds(), percentile(each, 90).Seconds()
	return result, nil
}

func (c *crowd) create(ctx context.Context) error {
	names, errs := make(chan string), make(chan error, together)
	for range together {
		go func() {
			var failure error
			for name := range names {
				failure = errors.Join(failure, c.createOne(ctx, name))
			}
			errs <- failure
		}()
	}
	for i := range c.count {
		names <- fmt.Sprintf("%s-%d", c.name, i)
	}
	close(names)
	var failure error
	for range together {
		failure = errors.Join(failure, <-errs)
	}
	return failure
}

func (c *crowd) createOne(ctx context.Context, name string) error {
	pod := c.pod(name, "")
	pod.Labels = map[string]string{"crowd": c.name}
	// Like a Deployment's pods: spread as far as the hosts allow.
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
		LabelSelector: &metav1.LabelSelector{MatchLabels: pod.Labels},
	}}
	c.mu.Lock()
	c.created[name] = time.Now()
	c.mu.Unlock()
	_, err := c.client.CoreV1().Pods(c.namespace).Create(ctx, pod, metav1.CreateOptions{})
	return err
}

// follow notes what becomes of the pods until ctx is done, also beyond the end of a watch, as there is on a busy machine.
func (c *crowd) follow(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(c.client, 0, informers.WithNamespace(c.namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = c.list().LabelSelector }))
	note := func(object any) {
		if pod, ok := object.(*corev1.Pod); ok {
			c.note(pod)
		}
	}
	pods := factory.Core().V1().Pods().Informer()
	// An error would say that the informer has been stopped, which it has not.
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: note, UpdateFunc: func(_, now any) { note(now) }, DeleteFunc: note})
	pods.RunWithContext(ctx)
}

func (c *crowd) note(pod *corev1.Pod) {
	c.mu.Lock()
	_, was := c.ready[pod.Name]
	now := isReady(pod)
	switch {
	case now && !was:
		c.ready[pod.Name] = time.Now()
	case was && !now && pod.DeletionTimestamp == nil:
		c.lapses++
	}
	c.mu.Unlock()
	select {
	case c.change <- struct{}{}:
	default:
	}
}

func (c *crowd) allReady(ctx context.Context) error {
	limit := time.After(crowdLimit)
	for shown := -1; ; {
		c.mu.Lock()
		n := len(c.ready)
		c.mu.Unlock()
		if n == c.count {
			return nil
		}
		if n/10 != shown/10 || shown < 0 {
			progress("%s: %d of %d Ready", c.name, n, c.count)
			shown = n
		}
		select {
		case <-c.change:
		case <-limit:
			return fmt.Errorf("only %d of %d pods are Ready after %s; see kubectl get pods -n %s", n, c.count, crowdLimit, c.namespace)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hold watches the crowd until a time after it was complete, and counts what did not stay as it was.
func (c *crowd) hold(ctx context.Context, complete time.Time, d time.Duration, result *Crowd) error {
	select {
	case <-time.After(time.Until(complete.Add(d))):
	case <-ctx.Done():
		return ctx.Err()
	}
	pods, err := c.client.CoreV1().Pods(c.namespace).List(ctx, c.list())
	if err != nil {
		return err
	}
	c.mu.Lock()
	result.Hold, result.Lapses = time.Since(complete).Seconds(), c.lapses
	c.mu.Unlock()
	for _, pod := range pods.Items {
		for _, s := range pod.Status.ContainerStatuses {
			result.Restarts += int(s.RestartCount)
		}
		if !isReady(&pod) && result.Lapses == 0 {
			result.Lapses++
		}
	}
	return nil
}

// end deletes all and waits until neither the API server nor a host has anything of them.
func (c *crowd) end(ctx context.Context, result *Crowd) error {
	began := time.Now()
	if err := c.client.CoreV1().Pods(c.namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, c.list()); err != nil {
		return err
	}
	err := await(ctx, crowdLimit, func(ctx context.Context) error {
		pods, err := c.client.CoreV1().Pods(c.namespace).List(ctx, c.list())
		if err != nil {
			return err
		}
		if len(pods.Items) > 0 {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		machines, err := c.machines(ctx)
		if err == nil && len(machines) > 0 {
			err = fmt.Errorf("%d machines", len(machines))
		}
		return err
	})
	result.Deletion = time.Since(began).Seconds()
	progress("%s: deleted in %s", c.name, seconds(result.Deletion))
	return err
}

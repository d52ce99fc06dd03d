// Package reconcile is the loop that the controllers share: a queue of keys, workers that bring what a key names to its
// state, and tries again with a growing pause.
package reconcile

import (
	"context"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// The pause before a failed key is tried again; it doubles.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = 30 * time.Second
)

// Loop is the queue and the workers of one controller. A key is with one worker at a time. Make it with New.
type Loop[K comparable] struct {
	name  string
	queue workqueue.TypedRateLimitingInterface[K]
}

// New makes a loop; the name is for logs and metrics.
func New[K comparable](name string) *Loop[K] {
	return &Loop[K]{name: name, queue: workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[K](firstPause, maxPause),
		workqueue.TypedRateLimitingQueueConfig[K]{Name: name})}
}

// Add has a key looked at.
func (l *Loop[K]) Add(key K) { l.queue.Add(key) }

// AddAfter has a key looked at later.
func (l *Loop[K]) AddAfter(key K, after time.Duration) { l.queue.AddAfter(key, after) }

// Run calls syncKey for each key that was added, until ctx is done; it returns ctx's error when no call is under way any
// more. A key whose call fails is tried again.
func (l *Loop[K]) Run(ctx context.Context, workers int, syncKey func(ctx context.Context, key K) error) error {
	stop := context.AfterFunc(ctx, l.queue.ShutDown)
	defer stop()
	l.work(ctx, workers, syncKey)
	return ctx.Err()
}

func (l *Loop[K]) work(ctx context.Context, workers int, syncKey func(ctx context.Context, key K) error) {
	var group sync.WaitGroup
	defer group.Wait()
	for range workers {
		group.Go(func() {
			for l.next(ctx, syncKey) {
			}
		})
	}
}

func (l *Loop[K]) next(ctx context.Context, sync func(ctx context.Context, key K) error) bool {
	key, quit := l.queue.Get()
	if quit {
		return false
	}
	defer l.queue.Done(key)
	err := sync(ctx, key)
	switch {
	case err == nil:
		l.queue.Forget(key)
	case ctx.Err() == nil:
		klog.ErrorS(err, "Controller will try again", "controller", l.name, "key", key)
		l.queue.AddRateLimited(key)
	}
	return true
}

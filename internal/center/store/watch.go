package store

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/klog/v2"
)

// watchRetry is how long after a lost watch the next begins.
const watchRetry = time.Second

// Watch signals now, and after every change of the collection's records until ctx is done; then the channel is closed. Signals
// that nobody has taken yet become one, so the reader looks at what is there now. Nothing is missed: after an interruption of the
// watch there is a signal too.
func (c Collection[T]) Watch(ctx context.Context) <-chan struct{} {
	signals := make(chan struct{}, 1)
	go func() {
		defer close(signals)
		for ctx.Err() == nil {
			c.watchOnce(ctx, signals)
			select {
			case <-ctx.Done():
			case <-time.After(watchRetry):
			}
		}
	}()
	return signals
}

func (c Collection[T]) watchOnce(ctx context.Context, signals chan<- struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The watch is there before the first signal, or a change between the two would be missed.
	changes := c.store.client.Watch(clientv3.WithRequireLeader(ctx), c.dir, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	for change := range changes {
		if err := change.Err(); err != nil {
			klog.InfoS("Watch ended, it begins again", "of", c.name, "err", err)
			return
		}
		notify(signals)
	}
}

func notify(signals chan<- struct{}) {
	select {
	case signals <- struct{}{}:
	default:
	}
}

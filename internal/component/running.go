package component

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"k8s.io/klog/v2"
)

// running is a started stage.
type running struct {
	cancel context.CancelFunc
	parts  []*part
}

type part struct {
	name  string
	of    Component
	ready chan struct{}
	done  chan struct{}
}

// start starts all components of the stage; the first that ends by itself sends to failed.
func start(stage Stage, failed chan<- error) *running {
	// Not a child of the program's context: a stage is stopped when its turn comes, not when the signal does.
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel}
	for _, c := range stage {
		p := &part{name: c.Name(), of: c, ready: make(chan struct{}), done: make(chan struct{})}
		r.parts = append(r.parts, p)
		go p.run(ctx, c, failed)
	}
	return r
}

func (p *part) run(ctx context.Context, c Component, failed chan<- error) {
	defer close(p.done)
	var once sync.Once
	begin := time.Now()
	err := recovered(func() error {
		return c.Run(ctx, func() {
			once.Do(func() {
				klog.InfoS("Component is ready", "component", p.name, "after", time.Since(begin).Round(time.Millisecond))
				close(p.ready)
			})
		})
	})
	if ctx.Err() != nil {
		klog.V(1).InfoS("Component stopped", "component", p.name, "err", err)
		return
	}
	if err == nil {
		err = errEnded
	}
	select {
	case failed <- fmt.Errorf("%s: %w", p.name, err):
	default: // one failure ends the program; the first is the cause
		klog.ErrorS(err, "Component ended", "component", p.name)
	}
}

// recovered turns a panic into an error, so that the other components are still stopped in order.
func recovered(run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return run()
}

// wait blocks until all of the stage is ready, any component failed, or the time is up.
func (r *running) wait(ctx context.Context, failed <-chan error, timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for _, p := range r.parts {
		select {
		case <-p.ready:
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return fmt.Errorf("%s was not ready within %v: read the messages above for what it waits for", p.name, timeout)
		}
	}
	return nil
}

// stop ends the stage and waits for it, but not longer than timeout: what is stopped after it, etcd last of all, must
// have its turn before the program is killed.
func (r *running) stop(timeout time.Duration) {
	r.cancel()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for _, p := range r.parts {
		select {
		case <-p.done:
		case <-timer.C:
			klog.InfoS("Component did not stop in time", "component", p.name, "timeout", timeout)
			return
		}
	}
}

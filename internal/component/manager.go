package component

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
)

// Manager runs the stages of a program.
type Manager struct {
	Stages []Stage
	// StartTimeout is how long one stage may take to be ready, StopTimeout how long one may take to end.
	StartTimeout, StopTimeout time.Duration
	// Ready is called once when every stage is ready; may be nil.
	Ready func()

	mu      sync.Mutex
	started []*running
}

// Run prepares and starts everything, waits until ctx is cancelled or a component ends by itself, and then stops
// everything that was started, the last stage first. It returns nil when ctx ended it, else the first failure.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.init(ctx); err != nil {
		return err
	}
	failed := make(chan error, 1)
	defer m.stop()
	begin := time.Now()
	for _, stage := range m.Stages {
		r := start(stage, failed)
		m.add(r)
		if err := r.wait(ctx, failed, m.StartTimeout); err != nil {
			return ignoreCancel(ctx, err)
		}
	}
	klog.InfoS("All components are ready", "after", time.Since(begin).Round(time.Millisecond))
	if m.Ready != nil {
		m.Ready()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return ignoreCancel(ctx, err)
	}
}

func (m *Manager) add(r *running) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.started = append(m.started, r)
}

func (m *Manager) stop() {
	for i := len(m.started) - 1; i >= 0; i-- {
		m.started[i].stop(m.StopTimeout)
	}
}

func (m *Manager) init(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, stage := range m.Stages {
		for _, c := range stage {
			initializer, ok := c.(Initializer)
			if !ok {
				continue
			}
			group.Go(func() error {
				if err := initializer.Init(ctx); err != nil {
					return fmt.Errorf("prepare %s: %w", c.Name(), err)
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// ignoreCancel drops failures that come of being told to stop.
func ignoreCancel(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		klog.V(1).InfoS("Component ended while stopping", "err", err)
		return nil
	}
	return err
}

// errEnded is the cause given for a component that returns nil without being asked to stop.
var errEnded = errors.New("ended by itself")

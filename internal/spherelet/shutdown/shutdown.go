// Package shutdown ends the pods of a host that is about to power off: first all but the critical ones, then those.
//
// It begins when the spherelet is told (SIGPWR, the signal of a failing power supply), and is over with the host's boot:
// what was begun goes on when the spherelet is killed meanwhile, and is forgotten when the host is up again.
package shutdown

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"pacific/internal/spherelet/qos"
)

// Words of the pods' status and of the node's condition; they are the kubelet's.
const (
	Reason  = "Terminated"
	Message = "Pod was terminated in response to imminent node shutdown."
)

// ErrNode is why the node is not ready meanwhile.
var ErrNode = errors.New("node is shutting down")

// Order in which a pod ends.
type Order struct {
	Pod          *v1.Pod
	GraceSeconds int64
}

// Plan cuts the time that the host has: critical pods get the last part of it, all others what is before. A pod gets no
// more than it asks for.
func Plan(pods []*v1.Pod, total, critical time.Duration) (first, last []Order) {
	for _, pod := range pods {
		own := ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, 30)
		if qos.Critical(pod) {
			last = append(last, Order{pod, min(own, int64(critical/time.Second))})
		} else {
			first = append(first, Order{pod, min(own, int64((total-critical)/time.Second))})
		}
	}
	return first, last
}

// Manager of the shutdown.
type Manager struct {
	// Total time for all pods, and the part of it that is for critical ones.
	Total, Critical time.Duration
	// Pods that run.
	Pods func() []*v1.Pod
	// End ends a pod and returns when nothing of it runs any more.
	End func(context.Context, Order) error
	// Changed is called when the shutdown begins or is called off.
	Changed func()
	// File keeps the boot id of the host whose shutdown has begun.
	File string
	// BootID of the running host.
	BootID string

	mu     sync.Mutex
	cancel context.CancelFunc
}

// Resume takes up a shutdown that was begun before a restart of the spherelet.
func (m *Manager) Resume(ctx context.Context) error {
	id, err := os.ReadFile(m.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case string(id) == m.BootID:
		return m.Begin(ctx)
	}
	return os.Remove(m.File)
}

// Active tells whether the host is shutting down.
func (m *Manager) Active() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cancel != nil
}

// Begin the shutdown. It is on disk before the first pod ends. A second call changes nothing.
func (m *Manager) Begin(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cancel != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(m.File), 0o700); err != nil {
		return err
	}
	if err := renameio.WriteFile(m.File, []byte(m.BootID), 0o600); err != nil {
		return fmt.Errorf("note the beginning of the shutdown: %w", err)
	}
	ctx, m.cancel = context.WithCancel(ctx)
	klog.InfoS("Node is shutting down", "time", m.Total, "forCriticalPods", m.Critical)
	go m.Changed()
	go m.run(ctx)
	return nil
}

// Cancel calls the shutdown off. Pods that have ended stay ended.
func (m *Manager) Cancel() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cancel == nil {
		return nil
	}
	if err := os.Remove(m.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	m.cancel()
	m.cancel = nil
	klog.InfoS("Shutdown of the node was called off")
	go m.Changed()
	return nil
}

func (m *Manager) run(ctx context.Context) {
	first, last := Plan(m.Pods(), m.Total, m.Critical)
	m.end(ctx, first, m.Total-m.Critical)
	m.end(ctx, last, m.Critical)
	if ctx.Err() == nil {
		klog.InfoS("All pods have ended; the host can power off", "pods", len(first)+len(last))
	}
}

// end waits for no pod longer than the host has for all of them.
func (m *Manager) end(ctx context.Context, orders []Order, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit+slack)
	defer cancel()
	var all sync.WaitGroup
	for _, order := range orders {
		all.Go(func() {
			if err := m.End(ctx, order); err != nil {
				klog.ErrorS(err, "Pod did not end in time for the shutdown", "pod", klog.KObj(order.Pod))
			}
		})
	}
	all.Wait()
}

// slack is for what comes after the containers' end: logs are copied, the machine is taken away.
const slack = 15 * time.Second

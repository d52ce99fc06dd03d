package machine

import (
	"context"
	"sync"

	hostv1 "pacific/api/host/v1"
)

// hub tells watchers which machines have changed. It keeps ids, not messages: a slow watcher costs one entry a machine and
// sees the latest state of each.
type hub struct {
	mu       sync.Mutex
	watchers map[*Watcher]bool
}

func (h *hub) mark(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.mark(id)
	}
}

// Watcher follows the machines of a host. Next is for one goroutine.
type Watcher struct {
	manager          *Manager
	includeUnmanaged bool
	sent             map[string]*hostv1.VirtualMachine
	synced           bool
	mu               sync.Mutex
	dirty            []string
	isDirty          map[string]bool
	wake             chan struct{}
}

// Watch begins with all machines, then SYNCED, then every change.
func (m *Manager) Watch(includeUnmanaged bool) *Watcher {
	w := &Watcher{
		manager: m, includeUnmanaged: includeUnmanaged,
		sent: map[string]*hostv1.VirtualMachine{}, isDirty: map[string]bool{}, wake: make(chan struct{}, 1),
	}
	m.hub.mu.Lock()
	m.hub.watchers[w] = true
	m.hub.mu.Unlock()
	// After joining: what is created in between is in both.
	for _, vm := range m.List() {
		w.mark(vm.Spec.Id)
	}
	return w
}

// Close ends the watch.
func (w *Watcher) Close() {
	w.manager.hub.mu.Lock()
	defer w.manager.hub.mu.Unlock()
	delete(w.manager.hub.watchers, w)
}

func (w *Watcher) mark(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.isDirty[id] {
		w.isDirty[id] = true
		w.dirty = append(w.dirty, id)
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Watcher) take() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dirty) == 0 {
		return "", false
	}
	id := w.dirty[0]
	w.dirty = w.dirty[1:]
	delete(w.isDirty, id)
	return id, true
}

// Next waits for the next event.
func (w *Watcher) Next(ctx context.Context) (*hostv1.WatchEvent, error) {
	for {
		id, ok := w.take()
		if !ok {
			if !w.synced {
				w.synced = true
				return &hostv1.WatchEvent{Type: hostv1.WatchEvent_SYNCED}, nil
			}
			select {
			case <-w.wake:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if event := w.event(id); event != nil {
			return event, nil
		}
	}
}

// event compares what the watcher was told of a machine with what is.
func (w *Watcher) event(id string) *hostv1.WatchEvent {
	now, exists := w.manager.lookup(id)
	before, told := w.sent[id]
	switch {
	case !exists && !told, exists && !w.includeUnmanaged && Unmanaged(now.Spec):
		return nil
	case !exists:
		delete(w.sent, id)
		return &hostv1.WatchEvent{Type: hostv1.WatchEvent_DELETED, Machine: before}
	}
	w.sent[id] = now
	if !told {
		return &hostv1.WatchEvent{Type: hostv1.WatchEvent_ADDED, Machine: now}
	}
	return &hostv1.WatchEvent{Type: hostv1.WatchEvent_MODIFIED, Machine: now}
}

// Unmanaged tells whether the machine is a CRX that management does not see.
func Unmanaged(spec *hostv1.VirtualMachineSpec) bool {
	return spec.GetCrx().GetMode() == hostv1.Crx_UNMANAGED
}

package hostload

import (
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/tools/cache"

	nodeapi "pacific/api/node"
)

// fresh is how long a load counts: a lease is renewed every ten seconds, so two may be missed.
const fresh = 35 * time.Second

// loads are what the hosts said last, by name. The time is when it was heard, by the scheduler's own clock.
type loads struct {
	mu   sync.Mutex
	last map[string]heard
	now  func() time.Time
}

type heard struct {
	nodeapi.Load
	at time.Time
}

func newLoads(now func() time.Time) *loads { return &loads{last: map[string]heard{}, now: now} }

// of a host, if something fresh is known.
func (l *loads) of(host string) (heard, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.last[host]
	return h, ok && l.now().Sub(h.at) < fresh
}

// OnAdd implements cache.ResourceEventHandler.
func (l *loads) OnAdd(lease any, _ bool) { l.hear(lease) }

// OnUpdate implements cache.ResourceEventHandler.
func (l *loads) OnUpdate(_, lease any) { l.hear(lease) }

// OnDelete implements cache.ResourceEventHandler.
func (l *loads) OnDelete(lease any) {
	if gone, ok := lease.(cache.DeletedFinalStateUnknown); ok {
		lease = gone.Obj
	}
	if gone, ok := lease.(*coordinationv1.Lease); ok {
		l.forget(gone.Name)
	}
}

func (l *loads) hear(object any) {
	lease, ok := object.(*coordinationv1.Lease)
	if !ok {
		return
	}
	load, err := nodeapi.ParseLoad(lease.Annotations[nodeapi.AnnotationLoad])
	if err != nil {
		l.forget(lease.Name)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[lease.Name] = heard{load, l.now()}
}

func (l *loads) forget(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, host)
}

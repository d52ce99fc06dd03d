package machine

import (
	"slices"
	"time"

	"pacific/api/crx"
)

// statusInterval bounds how often watchers hear of a guest that has much to say.
const statusInterval = 100 * time.Millisecond

// Bounds of what a guest may say; it is not trusted.
const (
	maxStatusText      = 2 << 10
	maxStatusAddresses = 16
)

// statuses takes what the guest of a session says of itself. It is not written down: a guest says it again to every hostd.
type statuses struct {
	actor *actor
	news  chan crx.Status
}

func newStatuses(a *actor) *statuses {
	s := &statuses{actor: a, news: make(chan crx.Status, 1)}
	a.setStatus(nil)
	go s.run()
	return s
}

// put keeps the newest one. It is for one goroutine.
func (s *statuses) put(status crx.Status) {
	select {
	case <-s.news:
	default:
	}
	s.news <- bounded(status)
}

func (s *statuses) end() { close(s.news) }

func (s *statuses) run() {
	for status := range s.news {
		s.actor.setStatus(&status)
		time.Sleep(statusInterval)
	}
	s.actor.setStatus(nil)
}

func bounded(status crx.Status) crx.Status {
	status.Stage, status.Message = tail(status.Stage), tail(status.Message)
	status.Addresses = slices.Clone(status.Addresses[:min(len(status.Addresses), maxStatusAddresses)])
	for i, address := range status.Addresses {
		status.Addresses[i] = address[:min(len(address), 64)]
	}
	return status
}

func (a *actor) setStatus(status *crx.Status) {
	a.mu.Lock()
	changed := a.status != nil || status != nil
	a.status = status
	a.mu.Unlock()
	if changed {
		a.host.hub.mark(a.id)
	}
}

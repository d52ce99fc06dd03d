package sso

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"pacific/internal/center/vapi"
)

// An address may fail so often at once, and then once in a while. It is generous, since all logins of a Supervisor come from
// its members' addresses; the lock-out of users is what stops guessing one password.
const (
	failureBurst    = 60
	failureInterval = 2 * time.Second
	// maxSources bounds what is remembered; beyond it, those that have not failed for long are forgotten.
	maxSources = 10000
)

// limiter puts off addresses from which too many failures come.
type limiter struct {
	mu      sync.Mutex
	sources map[string]*rate.Limiter
	now     func() time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{sources: map[string]*rate.Limiter{}, now: now}
}

func (l *limiter) check(source string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.sources[source]; known != nil && known.TokensAt(l.now()) < 1 {
		return vapi.ServiceUnavailable("sso.failures", "too many failures to sign in came from %s: wait a minute and try again", source)
	}
	return nil
}

func (l *limiter) failed(source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.sources[source]
	if known == nil {
		l.forget()
		known = rate.NewLimiter(rate.Every(failureInterval), failureBurst)
		l.sources[source] = known
	}
	known.AllowN(l.now(), 1)
}

// forget sources whose failures are forgiven, when there are too many; all, if that is not enough.
func (l *limiter) forget() {
	if len(l.sources) < maxSources {
		return
	}
	for source, known := range l.sources {
		if known.TokensAt(l.now()) >= failureBurst {
			delete(l.sources, source)
		}
	}
	if len(l.sources) >= maxSources {
		clear(l.sources)
	}
}

// sourceOf a call is its address without the port.
func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

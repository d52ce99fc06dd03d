package directory

import (
	"context"
	"sync"
)

// keyedLock is a lock for each key that is in use.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]*keyHolder
}

type keyHolder struct {
	token chan struct{}
	users int
}

// lock waits for the key's lock. The function returned releases it.
func (l *keyedLock) lock(ctx context.Context, key string) (func(), error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*keyHolder{}
	}
	h := l.held[key]
	if h == nil {
		h = &keyHolder{token: make(chan struct{}, 1)}
		l.held[key] = h
	}
	h.users++
	l.mu.Unlock()
	select {
	case h.token <- struct{}{}:
		return func() { <-h.token; l.leave(key, h) }, nil
	case <-ctx.Done():
		l.leave(key, h)
		return nil, ctx.Err()
	}
}

func (l *keyedLock) leave(key string, h *keyHolder) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(l.held, key)
	}
}

package soap

import (
	"context"
	"sync"
	"time"
)

// Permit tells whether somebody who has signed in may still look; it is asked at each call.
type Permit func(context.Context) error

// Logins signs people in.
type Logins interface {
	// Login checks a password; source is the client's address. The permit goes by his roles from then on.
	Login(ctx context.Context, source, user, password string) (Permit, error)
}

const (
	// idle is after how long a session ends that nobody uses.
	idle = 30 * time.Minute
	// maxSessions bounds what clients leave behind that never log out.
	maxSessions = 1000
)

type session struct {
	permit Permit
	used   time.Time
}

// sessions are in memory only: clients log in again after a restart of center.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[string]*session
}

func (s *sessions) add(id string, permit Permit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	if len(s.byID) >= maxSessions {
		s.dropOldest()
	}
	s.byID[id] = &session{permit: permit, used: s.now()}
}

func (s *sessions) get(id string) (Permit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	found, ok := s.byID[id]
	if !ok {
		return nil, false
	}
	found.used = s.now()
	return found.permit, true
}

func (s *sessions) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

func (s *sessions) expire() {
	for id, one := range s.byID {
		if s.now().Sub(one.used) > idle {
			delete(s.byID, id)
		}
	}
}

func (s *sessions) dropOldest() {
	var oldest string
	for id, one := range s.byID {
		if oldest == "" || one.used.Before(s.byID[oldest].used) {
			oldest = id
		}
	}
	delete(s.byID, oldest)
}

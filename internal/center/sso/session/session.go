// Package session keeps the sessions of center's API. The store has only a hash of each session's id, so that whoever reads
// the state or a backup of it can use none. Sessions outlive a restart of center.
package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/sso/directory"
	"pacific/internal/center/store"
)

// Life of a session.
const (
	// IdleTimeout ends a session that nobody uses, as in the original.
	IdleTimeout = 30 * time.Minute
	// MaxLife ends any session.
	MaxLife = 24 * time.Hour
	// touchInterval spares a write for each call: the last use is recorded to the minute.
	touchInterval = time.Minute
	// maxPerUser sessions; the one used least recently makes room. A script that never signs out is the usual reason.
	maxPerUser = 500
	// sweepInterval deletes what has ended already.
	sweepInterval = 5 * time.Minute
)

// ErrNone is for an id that stands for no session, or for one that has ended.
var ErrNone = errors.New("there is no such session, or it has ended")

// Session of somebody. UID and Epoch are the user's at its start; Groups are those an external identity source named.
type Session struct {
	User         directory.Subject
	UID          string
	Epoch        int
	Groups       []directory.Subject
	Created      time.Time
	LastAccessed time.Time
	// NotAfter ends it at the latest; zero: when MaxLife is over.
	NotAfter time.Time
}

func (s Session) ended(now time.Time) bool {
	return now.Sub(s.LastAccessed) > IdleTimeout || now.Sub(s.Created) > MaxLife || !s.NotAfter.IsZero() && now.After(s.NotAfter)
}

// Sessions that there are.
type Sessions struct {
	records store.Collection[Session]
	now     func() time.Time
}

// New keeps sessions in a store; now is nil for the real time.
func New(s *store.Store, now func() time.Time) *Sessions {
	if now == nil {
		now = time.Now
	}
	return &Sessions{records: store.Of[Session](s, "sso-sessions"), now: now}
}

func key(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// Start a session; who has its user, UID, epoch and groups. The id is the caller's only proof, and kept nowhere.
func (s *Sessions) Start(ctx context.Context, who Session) (id string, err error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	if err := s.makeRoom(ctx, who.User); err != nil {
		return "", err
	}
	who.Created = s.now().UTC()
	who.LastAccessed = who.Created
	id = hex.EncodeToString(random)
	return id, s.records.Create(ctx, key(id), who)
}

func (s *Sessions) makeRoom(ctx context.Context, user directory.Subject) error {
	items, err := s.records.List(ctx)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(i store.Item[Session]) bool { return i.Value.User != user })
	slices.SortFunc(items, func(a, b store.Item[Session]) int {
		return cmp.Compare(a.Value.LastAccessed.UnixNano(), b.Value.LastAccessed.UnixNano())
	})
	for len(items) >= maxPerUser {
		if err := s.delete(ctx, items[0].ID); err != nil {
			return err
		}
		items = items[1:]
	}
	return nil
}

// Get a session by its id, and record that it is used; [ErrNone].
func (s *Sessions) Get(ctx context.Context, id string) (Session, error) {
	session, revision, err := s.records.Get(ctx, key(id))
	if errors.Is(err, store.ErrNotFound) {
		return Session{}, ErrNone
	}
	if err != nil {
		return Session{}, err
	}
	now := s.now().UTC()
	if session.ended(now) {
		return Session{}, errors.Join(ErrNone, s.delete(ctx, key(id)))
	}
	if now.Sub(session.LastAccessed) < touchInterval {
		return session, nil
	}
	session.LastAccessed = now
	err = s.records.Put(ctx, key(id), session, revision)
	if errors.Is(err, store.ErrConflict) { // another call of the session recorded it
		return session, nil
	}
	return session, err
}

// End a session; one that has ended is no error.
func (s *Sessions) End(ctx context.Context, id string) error { return s.delete(ctx, key(id)) }

func (s *Sessions) delete(ctx context.Context, key string) error {
	if err := s.records.Delete(ctx, key); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// Sweep deletes the sessions that have ended.
func (s *Sessions) Sweep(ctx context.Context) error {
	items, err := s.records.List(ctx)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.Value.ended(s.now()) {
			if err := s.delete(ctx, item.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// Run sweeps now and then until ctx is cancelled.
func (s *Sessions) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot delete ended sessions; will try again", "after", sweepInterval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

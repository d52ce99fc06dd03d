package sso

import (
	"context"
	"errors"
	"net/http"
	"time"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/session"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// SessionHeader carries the session's id on each call.
const SessionHeader = "vmware-api-session-id"

// Identity is somebody who has proved who he is.
type Identity struct {
	User directory.Subject
	// UID, Epoch and Profile are those of the record in the directory; UID is empty for somebody of an external source.
	UID     string
	Epoch   int
	Profile directory.Profile
	// Groups, direct and indirect.
	Groups []directory.Subject
	// Solution is a program's identity, not a person's.
	Solution bool
	// external groups as the source named them, and when its proof ends.
	external []directory.Subject
	notAfter time.Time
}

// Authenticate a call by its session; it implements [rest.Authenticator].
func (s *Service) Authenticate(r *http.Request) (rest.Principal, error) {
	id := r.Header.Get(SessionHeader)
	if id == "" {
		return rest.Principal{}, vapi.Unauthenticated("session", "sign in first: POST /api/session with user and password, then send its answer as header %s", SessionHeader)
	}
	current, err := s.sessions.Get(r.Context(), id)
	if errors.Is(err, session.ErrNone) {
		return rest.Principal{}, ended()
	}
	if err != nil {
		return rest.Principal{}, unavailable(err)
	}
	identity, err := s.identityOf(r.Context(), current)
	if err != nil {
		return rest.Principal{}, err
	}
	return s.Principal(r.Context(), identity)
}

func ended() error {
	return vapi.Unauthenticated("session", "the session has ended or never was: sign in again")
}

// identityOf a session's user as he is now: a change of groups counts at once, and one who was deleted, disabled or given a
// new password has no sessions any more.
func (s *Service) identityOf(ctx context.Context, current session.Session) (Identity, error) {
	if current.UID == "" {
		if known, err := s.source.HasDomain(ctx, current.User.Domain); err != nil {
			return Identity{}, unavailable(err)
		} else if !known {
			return Identity{}, ended() // its provider was deleted
		}
		return s.external(ctx, current.User, current.Groups, current.NotAfter)
	}
	user, err := s.Directory.User(ctx, current.User.Name)
	if errors.Is(err, store.ErrNotFound) || err == nil && (user.UID != current.UID || user.Epoch != current.Epoch || user.Disabled) {
		return Identity{}, ended()
	}
	if err != nil {
		return Identity{}, unavailable(err)
	}
	return s.local(ctx, user)
}

// local is the identity of one of the directory's users.
func (s *Service) local(ctx context.Context, user directory.User) (Identity, error) {
	subject := directory.Subject{Type: directory.UserType, Name: user.Name, Domain: s.Directory.Domain}
	groups, err := s.Directory.GroupsOf(ctx, subject, nil)
	if err != nil {
		return Identity{}, unavailable(err)
	}
	return Identity{User: subject, UID: user.UID, Epoch: user.Epoch, Profile: user.Profile, Groups: groups, Solution: user.Certificate != ""}, nil
}

// external is the identity of somebody whom an external source vouches for.
func (s *Service) external(ctx context.Context, user directory.Subject, groups []directory.Subject, notAfter time.Time) (Identity, error) {
	all, err := s.Directory.GroupsOf(ctx, user, groups)
	if err != nil {
		return Identity{}, unavailable(err)
	}
	return Identity{User: user, Groups: all, external: groups, notAfter: notAfter}, nil
}

// Principal is an identity with its roles on center.
func (s *Service) Principal(ctx context.Context, i Identity) (rest.Principal, error) {
	administrator, readOnly, err := s.Directory.RolesOf(ctx, i.User, i.Groups)
	if err != nil {
		return rest.Principal{}, unavailable(err)
	}
	p := rest.Principal{Name: i.User.Name, Domain: i.User.Domain, Administrator: administrator, ReadOnly: readOnly}
	for _, group := range i.Groups {
		p.Groups = append(p.Groups, group.String())
	}
	return p, nil
}

// ByPassword signs in a user of center's own domain, written name@domain, domain\name or name. source is the caller's
// address: one from which too many failures come is put off.
func (s *Service) ByPassword(ctx context.Context, source, name, password string) (Identity, error) {
	if err := s.limiter.check(source); err != nil {
		return Identity{}, err
	}
	short, domain := s.Directory.Split(name)
	if domain != s.Directory.Domain {
		short = "" // costs what it costs for a wrong name
	}
	user, err := s.Directory.Authenticate(ctx, short, password)
	if err != nil {
		return Identity{}, s.refused(source, err)
	}
	return s.local(ctx, user)
}

// refused is the answer to a failed sign-in.
func (s *Service) refused(source string, err error) error {
	switch {
	case errors.Is(err, directory.ErrCredentials):
		s.limiter.failed(source)
		return vapi.Unauthenticated("credentials", "%v", directory.ErrCredentials)
	case errors.Is(err, directory.ErrRefused):
		return vapi.Unauthenticated("refused", "%v", err)
	default:
		return unavailable(err)
	}
}

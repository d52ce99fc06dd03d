package sso

import (
	"net/http"
	"strings"
	"time"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/session"
	"pacific/internal/center/vapi"
)

func (s *Service) sessionRoutes() []rest.Route {
	const now, old = "/api/session", "/rest/com/vmware/cis/session"
	return []rest.Route{
		{Method: http.MethodPost, Path: now, Access: rest.Anyone, Handle: s.start(http.StatusCreated)},
		{Method: http.MethodGet, Path: now, Access: rest.SignedIn, Handle: s.show},
		{Method: http.MethodDelete, Path: now, Access: rest.SignedIn, Handle: s.end(http.StatusNoContent)},
		{Method: http.MethodPost, Path: old, Access: rest.Anyone, Handle: s.start(http.StatusOK)},
		{Method: http.MethodPost, Path: old, Action: "get", Access: rest.SignedIn, Handle: s.show, Quiet: true},
		{Method: http.MethodGet, Path: old, Access: rest.SignedIn, Handle: s.show},
		{Method: http.MethodDelete, Path: old, Access: rest.SignedIn, Handle: s.end(http.StatusOK)},
	}
}

// start a session for whoever the Authorization header proves.
func (s *Service) start(code int) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		identity, err := s.byHeader(r)
		if err != nil {
			return nil, err
		}
		if r.Principal, err = s.Principal(r.Context(), identity); err != nil {
			return nil, err
		}
		id, err := s.sessions.Start(r.Context(), session.Session{
			User: identity.User, UID: identity.UID, Epoch: identity.Epoch, Groups: identity.external, NotAfter: identity.notAfter,
		})
		if err != nil {
			return nil, unavailable(err)
		}
		return rest.Status{Code: code, Body: id}, nil
	}
}

// byHeader signs in by the ways that a session can be asked for.
func (s *Service) byHeader(r *rest.Request) (Identity, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "basic":
		name, password, ok := r.BasicAuth()
		if !ok {
			return Identity{}, vapi.Unauthenticated("credentials", "the header Authorization: Basic cannot be decoded")
		}
		return s.ByPassword(r.Context(), sourceOf(r.Request), name, password)
	case "sign":
		return s.byAssertion(r)
	case "bearer":
		return s.byExternalToken(r.Context(), sourceOf(r.Request), strings.TrimSpace(token))
	case "":
		return Identity{}, vapi.Unauthenticated("credentials", "give user and password by the header Authorization: Basic")
	default:
		return Identity{}, vapi.Unauthenticated("credentials", "Authorization: %.16s is not a way to sign in: Basic, SIGN and Bearer are", scheme)
	}
}

type sessionInfo struct {
	User         string    `json:"user"`
	Created      time.Time `json:"created_time"`
	LastAccessed time.Time `json:"last_accessed_time"`
}

func (s *Service) show(r *rest.Request) (any, error) {
	current, err := s.sessions.Get(r.Context(), r.Header.Get(SessionHeader))
	if err != nil {
		return nil, ended()
	}
	return sessionInfo{User: r.Principal.String(), Created: current.Created, LastAccessed: current.LastAccessed}, nil
}

func (s *Service) end(code int) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		if err := s.sessions.End(r.Context(), r.Header.Get(SessionHeader)); err != nil {
			return nil, unavailable(err)
		}
		return rest.Status{Code: code}, nil
	}
}

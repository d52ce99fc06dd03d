package sso

import (
	"errors"
	"net/http"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/oidc"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

const (
	providersPath           = "/api/pacific/sso/providers"
	supervisorProvidersPath = "/api/vcenter/namespace-management/supervisors/{supervisor}/identity/providers"
)

// providerRoutes are the same for providers of all of center and, with the original's paths, for those of a Supervisor.
func (s *Service) providerRoutes() []rest.Route {
	var routes []rest.Route
	for _, all := range []string{providersPath, supervisorProvidersPath} {
		one := all + "/{provider}"
		routes = append(routes,
			rest.Route{Method: http.MethodGet, Path: all, Access: rest.Reader, Handle: s.listProviders},
			rest.Route{Method: http.MethodPost, Path: all, Handle: s.createProvider},
			rest.Route{Method: http.MethodGet, Path: one, Access: rest.Reader, Handle: s.getProvider},
			rest.Route{Method: http.MethodPatch, Path: one, Handle: s.updateProvider},
			rest.Route{Method: http.MethodPut, Path: one, Handle: s.replaceProvider},
			rest.Route{Method: http.MethodDelete, Path: one, Handle: s.deleteProvider},
		)
	}
	return routes
}

// Provider as the API shows one: without its secret.
type Provider struct {
	ID string `json:"provider"`
	oidc.Provider
}

func shownProvider(id string, p oidc.Provider) Provider {
	p.ClientSecret = ""
	return Provider{ID: id, Provider: p}
}

func (s *Service) listProviders(r *rest.Request) (any, error) {
	items, err := s.providers.List(r.Context())
	shown := []Provider{}
	for _, item := range items {
		if item.Value.Supervisor == r.PathValue("supervisor") {
			shown = append(shown, shownProvider(item.ID, item.Value))
		}
	}
	return shown, answer(err)
}

// provider that the path names, if it is one of the path's Supervisor.
func (s *Service) provider(r *rest.Request) (string, oidc.Provider, error) {
	id := r.PathValue("provider")
	p, err := s.providers.Get(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.Supervisor != r.PathValue("supervisor") {
		return id, p, vapi.NotFound("sso.provider", "there is no identity provider %s", id)
	}
	return id, p, answer(err)
}

func (s *Service) getProvider(r *rest.Request) (any, error) {
	id, p, err := s.provider(r)
	if err != nil {
		return nil, err
	}
	return shownProvider(id, p), nil
}

func (s *Service) createProvider(r *rest.Request) (any, error) {
	var spec oidc.Provider
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	spec.Supervisor = r.PathValue("supervisor")
	id, err := s.providers.Create(r.Context(), spec)
	if err != nil {
		return nil, answer(err)
	}
	return rest.Status{Code: http.StatusCreated, Body: id}, nil
}

// updateProvider changes the fields that the body has.
func (s *Service) updateProvider(r *rest.Request) (any, error) {
	id, wanted, err := s.provider(r)
	if err != nil {
		return nil, err
	}
	if err := r.Decode(&wanted); err != nil {
		return nil, err
	}
	return s.putProvider(r, id, wanted)
}

// replaceProvider keeps the secret if the body has none, since nobody can read it to send it again.
func (s *Service) replaceProvider(r *rest.Request) (any, error) {
	id, before, err := s.provider(r)
	if err != nil {
		return nil, err
	}
	var wanted oidc.Provider
	if err := r.Decode(&wanted); err != nil {
		return nil, err
	}
	wanted.ClientSecret = firstOf(wanted.ClientSecret, before.ClientSecret)
	return s.putProvider(r, id, wanted)
}

func (s *Service) putProvider(r *rest.Request, id string, wanted oidc.Provider) (any, error) {
	wanted.Supervisor = r.PathValue("supervisor")
	_, err := s.providers.Update(r.Context(), id, func(p *oidc.Provider) { *p = wanted })
	return nil, answer(err)
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (s *Service) deleteProvider(r *rest.Request) (any, error) {
	id, _, err := s.provider(r)
	if err != nil {
		return nil, err
	}
	return nil, answer(s.providers.Delete(r.Context(), id))
}

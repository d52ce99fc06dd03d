package sso

import (
	"net/http"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/password"
	"pacific/internal/center/vapi"
)

const permissionsPath = "/api/pacific/sso/permissions"

func (s *Service) permissionRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: permissionsPath, Access: rest.Reader, Handle: s.listPermissions},
		{Method: http.MethodPost, Path: permissionsPath, Handle: s.setPermission},
		{Method: http.MethodDelete, Path: permissionsPath + "/{type}/{domain}/{name}", Handle: s.deletePermission},
	}
}

func (s *Service) listPermissions(r *rest.Request) (any, error) {
	permissions, err := s.Directory.Permissions(r.Context())
	return permissions, answer(err)
}

func (s *Service) setPermission(r *rest.Request) (any, error) {
	var body directory.Permission
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	permission, err := s.Directory.SetPermission(r.Context(), body)
	if err != nil {
		return nil, answer(err)
	}
	return permission, nil
}

func (s *Service) deletePermission(r *rest.Request) (any, error) {
	subject := directory.Subject{Type: r.PathValue("type"), Name: r.PathValue("name"), Domain: r.PathValue("domain")}
	return nil, answer(s.Directory.DeletePermission(r.Context(), subject))
}

const policyPath = "/api/pacific/sso/policy"

func (s *Service) policyRoutes() []rest.Route {
	return []rest.Route{
		{Method: http.MethodGet, Path: policyPath, Access: rest.Reader, Handle: s.getPolicy},
		{Method: http.MethodPatch, Path: policyPath, Handle: s.changePolicy},
	}
}

func (s *Service) getPolicy(r *rest.Request) (any, error) {
	policy, err := s.Directory.Policy(r.Context())
	return policy, answer(err)
}

// changePolicy changes the fields that the body has.
func (s *Service) changePolicy(r *rest.Request) (any, error) {
	current, err := s.Directory.Policy(r.Context())
	if err != nil {
		return nil, answer(err)
	}
	wanted := current
	if err := r.Decode(&wanted); err != nil {
		return nil, err
	}
	changed, err := s.Directory.ChangePolicy(r.Context(), func(p *password.Policy) {
		if *p == current {
			*p = wanted
		}
	})
	if err == nil && changed != wanted {
		return nil, vapi.NotAllowedInCurrentState("sso.policy", "somebody else changed the policy at the same time: look at it, then change it again")
	}
	return changed, answer(err)
}

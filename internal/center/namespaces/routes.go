package namespaces

import (
	"net/http"

	"pacific/internal/center/rest"
)

const (
	instances = "/api/vcenter/namespaces/instances"
	one       = instances + "/{namespace}"
	access    = one + "/access/{domain}/{subject}"

	selfServicePath = "/api/vcenter/namespaces/namespace-self-service"
	templatesPath   = "/api/vcenter/namespaces/namespace-templates"
)

// Routes of the part.
func (s *Service) Routes() []rest.Route {
	routes := []rest.Route{
		{Method: http.MethodGet, Path: instances, Access: rest.Reader, Handle: s.list(1)},
		{Method: http.MethodPost, Path: instances, Handle: s.post},
		{Method: http.MethodGet, Path: one, Access: rest.Reader, Handle: s.get(1)},
		{Method: http.MethodPatch, Path: one, Handle: s.patch},
		{Method: http.MethodPut, Path: one, Handle: s.put},
		{Method: http.MethodDelete, Path: one, Handle: s.remove},
		{Method: http.MethodPost, Path: one + "/registervm", Handle: s.registerVM},

		{Method: http.MethodGet, Path: instances + "/v2", Access: rest.Reader, Handle: s.list(2)},
		{Method: http.MethodPost, Path: instances + "/v2", Handle: s.post},
		{Method: http.MethodGet, Path: instances + "/v2/{namespace}", Access: rest.Reader, Handle: s.get(2)},

		{Method: http.MethodGet, Path: access, Access: rest.Reader, Handle: s.getAccess},
		{Method: http.MethodPost, Path: access, Handle: s.createAccess},
		{Method: http.MethodPut, Path: access, Handle: s.setAccess},
		{Method: http.MethodDelete, Path: access, Handle: s.deleteAccess},

		{Method: http.MethodGet, Path: "/api/vcenter/namespaces-user/namespaces", Access: rest.SignedIn, Handle: s.ofUser},

		{Method: http.MethodGet, Path: selfServicePath, Access: rest.Reader, Handle: s.listSelfService},
		{Method: http.MethodGet, Path: selfServicePath + "/{cluster}", Access: rest.Reader, Handle: s.getSelfService},
		{Method: http.MethodPost, Path: selfServicePath + "/{cluster}", Action: "activate", Handle: s.activate},
		{Method: http.MethodPost, Path: selfServicePath + "/{cluster}", Action: "activateWithTemplate", Handle: s.activateWithTemplate},
		{Method: http.MethodPost, Path: selfServicePath + "/{cluster}", Action: "deactivate", Handle: s.deactivate},
	}
	for _, of := range []string{"/clusters/{cluster}", "/supervisors/{cluster}"} {
		routes = append(routes,
			rest.Route{Method: http.MethodGet, Path: templatesPath + of, Access: rest.Reader, Handle: s.listTemplates},
			rest.Route{Method: http.MethodPost, Path: templatesPath + of, Handle: s.createTemplate},
			rest.Route{Method: http.MethodGet, Path: templatesPath + of + "/{template}", Access: rest.Reader, Handle: s.getTemplate},
			rest.Route{Method: http.MethodPatch, Path: templatesPath + of + "/{template}", Handle: s.updateTemplate},
			rest.Route{Method: http.MethodDelete, Path: templatesPath + of + "/{template}", Handle: s.deleteTemplate},
		)
	}
	return routes
}

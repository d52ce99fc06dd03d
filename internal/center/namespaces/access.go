package namespaces

import (
	"cmp"
	"slices"
	"strings"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
)

type role struct {
	Role string `json:"role"`
}

// roleInfo of a subject.
type roleInfo struct {
	Role      string `json:"role"`
	Inherited bool   `json:"inherited"`
}

// subjectOf a request's path and query.
func subjectOf(r *rest.Request) (spec.Access, error) {
	a := spec.Access{SubjectType: r.URL.Query().Get("type"), Subject: r.PathValue("subject"), Domain: r.PathValue("domain")}
	if a.SubjectType == "" {
		return a, vapi.InvalidArgument("namespaces.access.type", "the query has no type: add ?type=USER or ?type=GROUP")
	}
	return a, a.ValidateSubject()
}

// subjectAndRole of a request that writes.
func subjectAndRole(r *rest.Request) (spec.Access, error) {
	a, err := subjectOf(r)
	if err != nil {
		return a, err
	}
	var body role
	if err := r.Decode(&body); err != nil {
		return a, err
	}
	a.Role = body.Role
	return a, spec.Role(a.Role)
}

func noAccess(name string, a spec.Access) error {
	return vapi.NotFound("namespaces.access", "%s %s@%s has no role of its own in namespace %s", strings.ToLower(a.SubjectType), a.Subject, a.Domain, name)
}

func (s *Service) getAccess(r *rest.Request) (any, error) {
	name := r.PathValue("namespace")
	a, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	record, err := s.record(r.Context(), name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(record.Settings.Access, a.SameSubject)
	if i < 0 {
		return nil, noAccess(name, a)
	}
	return roleInfo{Role: record.Settings.Access[i].Role}, nil
}

func (s *Service) createAccess(r *rest.Request) (any, error) {
	name := r.PathValue("namespace")
	a, err := subjectAndRole(r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(r.Context(), name, func(settings *spec.Settings) error {
		if slices.ContainsFunc(settings.Access, a.SameSubject) {
			return vapi.AlreadyExists("namespaces.access.exists", "%s %s@%s has a role in namespace %s; PUT changes it", strings.ToLower(a.SubjectType), a.Subject, a.Domain, name)
		}
		settings.Access = append(slices.Clone(settings.Access), a)
		return nil
	})
}

func (s *Service) setAccess(r *rest.Request) (any, error) {
	name := r.PathValue("namespace")
	a, err := subjectAndRole(r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(r.Context(), name, func(settings *spec.Settings) error {
		i := slices.IndexFunc(settings.Access, a.SameSubject)
		if i < 0 {
			return noAccess(name, a)
		}
		settings.Access = slices.Clone(settings.Access)
		settings.Access[i].Role = a.Role
		return nil
	})
}

func (s *Service) deleteAccess(r *rest.Request) (any, error) {
	name := r.PathValue("namespace")
	a, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.change(r.Context(), name, func(settings *spec.Settings) error {
		i := slices.IndexFunc(settings.Access, a.SameSubject)
		if i < 0 {
			return noAccess(name, a)
		}
		settings.Access = slices.Delete(slices.Clone(settings.Access), i, i+1)
		return nil
	})
}

// workload is a namespace as its users find it.
type workload struct {
	Namespace string   `json:"namespace"`
	Host      string   `json:"master_host"`
	Port      int      `json:"control_plane_api_server_port"`
	DNSNames  []string `json:"control_plane_DNS_names"`
}

// ofUser lists the namespaces that a user may use: the query's, or the caller himself.
func (s *Service) ofUser(r *rest.Request) (any, error) {
	who, err := whose(r)
	if err != nil {
		return nil, err
	}
	items, err := s.records.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := []workload{}
	for _, item := range items {
		if item.Value.Removing || !who.may(item.Value.Settings.Access, s.config.Administrators) {
			continue
		}
		supervisor, err := s.config.Supervisors.Get(r.Context(), item.Value.Cluster)
		if err != nil {
			continue // it went meanwhile
		}
		list = append(list, workload{Namespace: item.ID, Host: supervisor.Host, Port: cmp.Or(supervisor.Port, 6443), DNSNames: []string{}})
	}
	return list, nil
}

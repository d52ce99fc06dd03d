package namespaces

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"pacific/internal/center/namespaces/projection"
	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// Template is what namespaces of self-service are made of. Its id in the store is cluster:name.
type Template struct {
	Cluster          string                `json:"cluster,omitempty"`
	Template         string                `json:"template"`
	Resources        spec.Resources        `json:"resource_spec"`
	Storage          []spec.Storage        `json:"storage_specs"`
	Networks         []string              `json:"networks,omitempty"`
	Permissions      []permission          `json:"permissions"`
	VMService        spec.VMService        `json:"vm_service_spec"`
	ContentLibraries []spec.ContentLibrary `json:"content_libraries"`
}

// permission to make namespaces of a template.
type permission struct {
	SubjectType string `json:"subject_type"`
	Subject     string `json:"subject"`
	Domain      string `json:"domain"`
}

// templateUpdate: what is nil stays.
type templateUpdate struct {
	Resources        *spec.Resources        `json:"resource_spec"`
	Storage          *[]spec.Storage        `json:"storage_specs"`
	Networks         *[]string              `json:"networks"`
	Permissions      *[]permission          `json:"permissions"`
	VMService        *spec.VMService        `json:"vm_service_spec"`
	ContentLibraries *[]spec.ContentLibrary `json:"content_libraries"`
}

func (t Template) settings() spec.Settings {
	settings := spec.Settings{Resources: t.Resources, Storage: t.Storage, VMService: t.VMService, ContentLibraries: t.ContentLibraries}
	for _, p := range t.Permissions {
		settings.Access = append(settings.Access, spec.Access{SubjectType: p.SubjectType, Subject: p.Subject, Domain: p.Domain, Role: spec.RoleEdit})
	}
	return settings
}

func (t Template) permissions() (list []projection.Permission) {
	for _, p := range t.Permissions {
		list = append(list, projection.Permission(p))
	}
	return list
}

func (s *Service) validateTemplate(ctx context.Context, t Template) error {
	if problems := validation.IsDNS1123Label(t.Template); len(problems) > 0 {
		return vapi.InvalidArgument("namespaces.template.name", "template %q: %s", t.Template, strings.Join(problems, "; "))
	}
	if len(t.Networks) > 0 {
		return vapi.Unsupported("namespaces.network", "a namespace has the network of its Supervisor; leave networks out")
	}
	if err := t.settings().Validate(); err != nil {
		return err
	}
	return s.check(ctx, t.settings())
}

func templateID(cluster, name string) string { return cluster + ":" + name }

func (s *Service) template(ctx context.Context, cluster, name string) (Template, error) {
	t, _, err := s.templates.Get(ctx, templateID(cluster, name))
	return t, unknownTemplate(cluster, name, err)
}

func unknownTemplate(cluster, name string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return vapi.NotFound("namespaces.template.unknown", "there is no template %q on %s", name, cluster)
	}
	return err
}

func (t Template) shown() Template {
	t.Storage, t.Permissions, t.ContentLibraries = nonNil(t.Storage), nonNil(t.Permissions), nonNil(t.ContentLibraries)
	return t
}

func (s *Service) listTemplates(r *rest.Request) (any, error) {
	supervisor, err := s.supervisor(r.Context(), r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	items, err := s.templates.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := []Template{}
	for _, item := range items {
		if item.Value.Cluster == supervisor.Cluster {
			list = append(list, item.Value.shown())
		}
	}
	return list, nil
}

func (s *Service) getTemplate(r *rest.Request) (any, error) {
	supervisor, err := s.supervisor(r.Context(), r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	t, err := s.template(r.Context(), supervisor.Cluster, r.PathValue("template"))
	return t.shown(), err
}

// decodeTemplate reads a template for a Supervisor that takes namespaces.
func (s *Service) decodeTemplate(r *rest.Request) (Template, error) {
	var t Template
	if err := r.Decode(&t); err != nil {
		return t, err
	}
	supervisor, err := s.runningSupervisor(r.Context(), r.PathValue("cluster"))
	if err != nil {
		return t, err
	}
	if t.Cluster != "" && t.Cluster != supervisor.Cluster {
		return t, vapi.InvalidArgument("namespaces.template.cluster", "the body's cluster %q is not the path's, %s", t.Cluster, supervisor.Cluster)
	}
	t.Cluster = supervisor.Cluster
	return t, s.validateTemplate(r.Context(), t)
}

func (s *Service) createTemplate(r *rest.Request) (any, error) {
	t, err := s.decodeTemplate(r)
	if err != nil {
		return nil, err
	}
	return nil, s.addTemplate(r.Context(), t)
}

func (s *Service) addTemplate(ctx context.Context, t Template) error {
	err := s.templates.Create(ctx, templateID(t.Cluster, t.Template), t)
	if errors.Is(err, store.ErrExists) {
		return vapi.AlreadyExists("namespaces.template.exists", "template %s exists on %s; PATCH changes it", t.Template, t.Cluster)
	}
	return err
}

func (s *Service) updateTemplate(r *rest.Request) (any, error) {
	var body templateUpdate
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	supervisor, err := s.supervisor(r.Context(), r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	name := r.PathValue("template")
	_, err = s.templates.Update(r.Context(), templateID(supervisor.Cluster, name), func(t *Template) error {
		body.apply(t)
		return s.validateTemplate(r.Context(), *t)
	})
	return nil, unknownTemplate(supervisor.Cluster, name, err)
}

func (u templateUpdate) apply(t *Template) {
	if u.Resources != nil {
		t.Resources = *u.Resources
	}
	if u.Storage != nil {
		t.Storage = slices.Clone(*u.Storage)
	}
	if u.Networks != nil {
		t.Networks = slices.Clone(*u.Networks)
	}
	if u.Permissions != nil {
		t.Permissions = slices.Clone(*u.Permissions)
	}
	if u.VMService != nil {
		t.VMService = *u.VMService
	}
	if u.ContentLibraries != nil {
		t.ContentLibraries = slices.Clone(*u.ContentLibraries)
	}
}

func (s *Service) deleteTemplate(r *rest.Request) (any, error) {
	ctx := r.Context()
	supervisor, err := s.supervisor(ctx, r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	name := r.PathValue("template")
	state, err := s.selfServiceOf(ctx, supervisor.Cluster)
	if err != nil {
		return nil, err
	}
	if state.Active && state.Template == name {
		return nil, vapi.NotAllowedInCurrentState("namespaces.template.used", "template %s is the one of self-service on %s; deactivate that first", name, supervisor.Cluster)
	}
	return nil, unknownTemplate(supervisor.Cluster, name, s.templates.Delete(ctx, templateID(supervisor.Cluster, name)))
}

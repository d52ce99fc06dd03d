package namespaces

import (
	"context"
	"errors"
	"slices"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// SelfService of a cluster: whether users may make namespaces with kubectl, and of which template.
type SelfService struct {
	Active   bool   `json:"active"`
	Template string `json:"template"`
}

// selfServiceInfo is the API's form.
type selfServiceInfo struct {
	Cluster  string `json:"cluster"`
	Status   string `json:"status"`
	Template string `json:"namespace_template,omitempty"`
}

func (s SelfService) info(cluster string) selfServiceInfo {
	status := "INACTIVE"
	if s.Active {
		status = "ACTIVE"
	}
	return selfServiceInfo{Cluster: cluster, Status: status, Template: s.Template}
}

func (s *Service) selfServiceOf(ctx context.Context, cluster string) (SelfService, error) {
	state, _, err := s.selfService.Get(ctx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return SelfService{}, nil
	}
	return state, err
}

func (s *Service) listSelfService(r *rest.Request) (any, error) {
	supervisors, err := s.config.Supervisors.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := []selfServiceInfo{}
	for _, supervisor := range supervisors {
		state, err := s.selfServiceOf(r.Context(), supervisor.Cluster)
		if err != nil {
			return nil, err
		}
		list = append(list, state.info(supervisor.Cluster))
	}
	return list, nil
}

func (s *Service) getSelfService(r *rest.Request) (any, error) {
	supervisor, err := s.supervisor(r.Context(), r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	state, err := s.selfServiceOf(r.Context(), supervisor.Cluster)
	return state.info(supervisor.Cluster), err
}

// activate self-service with the template that it had, or the only one there is.
func (s *Service) activate(r *rest.Request) (any, error) {
	ctx := r.Context()
	supervisor, err := s.runningSupervisor(ctx, r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	state, err := s.selfServiceOf(ctx, supervisor.Cluster)
	if err != nil {
		return nil, err
	}
	if state.Template == "" {
		if state.Template, err = s.onlyTemplate(ctx, supervisor.Cluster); err != nil {
			return nil, err
		}
	}
	if _, err := s.template(ctx, supervisor.Cluster, state.Template); err != nil {
		return nil, err
	}
	return nil, s.setSelfService(ctx, supervisor.Cluster, SelfService{Active: true, Template: state.Template})
}

func (s *Service) onlyTemplate(ctx context.Context, cluster string) (string, error) {
	items, err := s.templates.List(ctx)
	if err != nil {
		return "", err
	}
	items = slices.DeleteFunc(items, func(i store.Item[Template]) bool { return i.Value.Cluster != cluster })
	switch len(items) {
	case 1:
		return items[0].Value.Template, nil
	case 0:
		return "", vapi.NotFound("namespaces.template.none", "%s has no template; use action activateWithTemplate", cluster)
	}
	return "", vapi.InvalidArgument("namespaces.template.many", "%s has %d templates and none of them has been in use; use action activateWithTemplate", cluster, len(items))
}

// activateWithTemplate makes a template, or replaces the one of that name, and activates self-service with it.
func (s *Service) activateWithTemplate(r *rest.Request) (any, error) {
	ctx := r.Context()
	t, err := s.decodeTemplate(r)
	if err != nil {
		return nil, err
	}
	state, err := s.selfServiceOf(ctx, t.Cluster)
	if err != nil {
		return nil, err
	}
	if state.Active {
		return nil, vapi.NotAllowedInCurrentState("namespaces.selfservice.active", "self-service is active on %s with template %s; change that template, or deactivate self-service first", t.Cluster, state.Template)
	}
	id := templateID(t.Cluster, t.Template)
	if _, err := s.templates.Update(ctx, id, func(old *Template) error { *old = t; return nil }); errors.Is(err, store.ErrNotFound) {
		err = s.addTemplate(ctx, t)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return nil, s.setSelfService(ctx, t.Cluster, SelfService{Active: true, Template: t.Template})
}

func (s *Service) deactivate(r *rest.Request) (any, error) {
	ctx := r.Context()
	supervisor, err := s.supervisor(ctx, r.PathValue("cluster"))
	if err != nil {
		return nil, err
	}
	_, err = s.selfService.Update(ctx, supervisor.Cluster, func(state *SelfService) error { state.Active = false; return nil })
	if errors.Is(err, store.ErrNotFound) {
		err = nil // it never was active
	}
	return nil, err
}

func (s *Service) setSelfService(ctx context.Context, cluster string, state SelfService) error {
	err := s.selfService.Create(ctx, cluster, state)
	if errors.Is(err, store.ErrExists) {
		_, err = s.selfService.Update(ctx, cluster, func(now *SelfService) error { *now = state; return nil })
	}
	return err
}

// adopted is the record of a namespace that a user made with kubectl: the template's limits, and the user as its owner.
func adopted(cluster string, t Template, uid string, creator spec.Principal) Record {
	settings := t.settings()
	settings.Access = []spec.Access{{SubjectType: spec.User, Subject: creator.Subject, Domain: creator.Domain, Role: spec.RoleOwner}}
	return Record{UID: uid, Cluster: cluster, Settings: settings, SelfService: true, Adopted: true, Creator: &creator}
}

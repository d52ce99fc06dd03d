package namespaces

import (
	"context"
	"errors"
	"strings"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// supervisor that takes namespaces, or the error of a request that names it.
func (s *Service) supervisor(ctx context.Context, id string) (Supervisor, error) {
	supervisor, err := s.config.Supervisors.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return supervisor, vapi.NotFound("namespaces.cluster", "no cluster %q has a Supervisor; enable one first, or see GET /api/vcenter/namespace-management/clusters for those that have", id)
	case err != nil:
		return supervisor, err
	}
	return supervisor, nil
}

func (s *Service) runningSupervisor(ctx context.Context, id string) (Supervisor, error) {
	supervisor, err := s.supervisor(ctx, id)
	if err == nil && supervisor.Status != string(Running) {
		err = vapi.NotAllowedInCurrentState("namespaces.cluster.state", "the Supervisor of %s is %s, it takes namespaces when it is RUNNING; GET /api/vcenter/namespace-management/clusters/%s says what it waits for", id, supervisor.Status, id)
	}
	return supervisor, err
}

// check looks up what settings name.
func (s *Service) check(ctx context.Context, settings spec.Settings) error {
	for _, storage := range settings.Storage {
		if err := s.checkPolicy(ctx, storage.Policy); err != nil {
			return err
		}
	}
	for _, class := range settings.VMService.VMClasses {
		err := s.config.Catalog.VMClass(ctx, class)
		if errors.Is(err, store.ErrNotFound) {
			err = vapi.InvalidArgument("namespaces.vmclass", "there is no VM class %q; GET /api/vcenter/namespace-management/virtual-machine-classes lists them", class)
		}
		if err != nil {
			return err
		}
	}
	for _, a := range settings.Access {
		if err := s.checkSubject(ctx, a.SubjectType, a.Subject, a.Domain); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkPolicy(ctx context.Context, policy string) error {
	_, err := s.config.Catalog.StorageClass(ctx, policy)
	if errors.Is(err, store.ErrNotFound) {
		return vapi.InvalidArgument("namespaces.storage.unknown", "there is no storage policy %q; GET /api/vcenter/storage/policies lists them", policy)
	}
	return err
}

func (s *Service) checkSubject(ctx context.Context, subjectType, name, domain string) error {
	exists, err := s.config.Identities.Exists(ctx, subjectType, name, domain)
	if err == nil && !exists {
		return vapi.InvalidArgument("namespaces.access.unknown", "there is no %s %s@%s; make it first, or correct the name", strings.ToLower(subjectType), name, domain)
	}
	return err
}

// added checks what is new in settings: what was right when it was given does not keep other changes from being made.
func added(before, after spec.Settings) spec.Settings {
	old := map[string]bool{}
	for _, p := range before.Storage {
		old["policy/"+p.Policy] = true
	}
	for _, c := range before.VMService.VMClasses {
		old["class/"+c] = true
	}
	var fresh spec.Settings
	for _, p := range after.Storage {
		if !old["policy/"+p.Policy] {
			fresh.Storage = append(fresh.Storage, p)
		}
	}
	for _, c := range after.VMService.VMClasses {
		if !old["class/"+c] {
			fresh.VMService.VMClasses = append(fresh.VMService.VMClasses, c)
		}
	}
	for _, a := range after.Access {
		if !contains(before.Access, a) {
			fresh.Access = append(fresh.Access, a)
		}
	}
	return fresh
}

func contains(list []spec.Access, subject spec.Access) bool {
	for _, a := range list {
		if a.SameSubject(subject) {
			return true
		}
	}
	return false
}

package namespaces

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"pacific/internal/center/namespaces/projection"
	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

func (s *Service) list(v version) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) { return s.summaries(r.Context(), v) }
}

func (s *Service) get(v version) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) { return s.info(r.Context(), r.PathValue("namespace"), v) }
}

// record of a namespace, or the error of a request that names it.
func (s *Service) record(ctx context.Context, name string) (Record, error) {
	record, _, err := s.records.Get(ctx, name)
	return record, unknown(name, err)
}

func unknown(name string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return vapi.NotFound("namespaces.unknown", "there is no namespace %q", name)
	}
	return err
}

func (s *Service) post(r *rest.Request) (any, error) {
	var body spec.Create
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := body.Validate(); err != nil {
		return nil, err
	}
	if body.Creator == nil {
		body.Creator = &spec.Principal{Subject: r.Principal.Name, Domain: r.Principal.Domain}
	}
	return nil, s.create(r.Context(), body)
}

func (s *Service) create(ctx context.Context, body spec.Create) error {
	supervisor, err := s.runningSupervisor(ctx, body.Cluster+body.Supervisor)
	if err != nil {
		return err
	}
	if err := s.nameIsFree(ctx, supervisor.Cluster, body.Namespace); err != nil {
		return err
	}
	if err := s.check(ctx, body.Settings()); err != nil {
		return err
	}
	return s.add(ctx, body.Namespace, Record{
		UID: uuid.NewString(), Cluster: supervisor.Cluster, Settings: body.Settings(), SelfService: body.SelfService, Creator: body.Creator,
	})
}

// nameIsFree says early what the reconciler would find out later.
func (s *Service) nameIsFree(ctx context.Context, cluster, name string) error {
	record, _, err := s.records.Get(ctx, name)
	switch {
	case err == nil && record.Removing:
		return vapi.AlreadyExists("namespaces.removing", "namespace %s is being removed; wait until GET %s/%s answers 404", name, instances, name)
	case err == nil:
		return vapi.AlreadyExists("namespaces.exists", "namespace %s exists, on cluster %s; names are unique in the whole center", name, record.Cluster)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	view := s.reconciler.view(cluster)
	if view == nil {
		return nil
	}
	ns, err := view.Exists(ctx, name)
	if err != nil {
		return nil //nolint:nilerr // the Supervisor does not answer: the namespace is brought there when it does
	}
	if ns != nil && ns.DeletionTimestamp == nil {
		return vapi.AlreadyExists("namespaces.foreign", "%v: delete it there with kubectl, or choose another name", projection.ErrForeign)
	}
	return nil
}

// add makes the record; everything else follows from it.
func (s *Service) add(ctx context.Context, name string, record Record) (err error) {
	if record.ResourcePool, err = s.nextID(ctx, "resgroup-"); err != nil {
		return err
	}
	if record.Folder, err = s.nextID(ctx, "group-v"); err != nil {
		return err
	}
	record.Generation, record.Created = 1, time.Now().UTC()
	err = s.records.Create(ctx, name, record)
	if errors.Is(err, store.ErrExists) {
		return vapi.AlreadyExists("namespaces.exists", "namespace %s exists; names are unique in the whole center", name)
	}
	return err
}

func (s *Service) patch(r *rest.Request) (any, error) {
	var body spec.Update
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := body.Validate(); err != nil {
		return nil, err
	}
	return nil, s.change(r.Context(), r.PathValue("namespace"), func(settings *spec.Settings) error {
		*settings = body.Apply(*settings)
		return nil
	})
}

func (s *Service) put(r *rest.Request) (any, error) {
	var body spec.Update
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := body.Validate(); err != nil {
		return nil, err
	}
	return nil, s.change(r.Context(), r.PathValue("namespace"), func(settings *spec.Settings) error {
		*settings = body.Apply(spec.Settings{})
		return nil
	})
}

// change settings of a namespace that is not being removed.
func (s *Service) change(ctx context.Context, name string, change func(*spec.Settings) error) error {
	_, err := s.records.Update(ctx, name, func(record *Record) error {
		if record.Removing {
			return vapi.NotAllowedInCurrentState("namespaces.removing", "namespace %s is being removed and cannot change any more", name)
		}
		before := record.Settings
		before.Access = append([]spec.Access{}, before.Access...)
		if err := change(&record.Settings); err != nil {
			return err
		}
		if err := s.check(ctx, added(before, record.Settings)); err != nil {
			return err
		}
		record.Generation++
		return record.Settings.Validate()
	})
	return unknown(name, err)
}

func (s *Service) remove(r *rest.Request) (any, error) {
	return nil, s.markRemoving(r.Context(), r.PathValue("namespace"), "")
}

// markRemoving begins the end of a namespace, or of the one with that UID only.
func (s *Service) markRemoving(ctx context.Context, name, uid string) error {
	_, err := s.records.Update(ctx, name, func(record *Record) error {
		if uid != "" && record.UID != uid {
			return store.ErrNotFound
		}
		record.Removing = true
		return nil
	})
	return unknown(name, err)
}

// registerVM is for virtual machines that exist already.
func (s *Service) registerVM(r *rest.Request) (any, error) {
	var body struct {
		VM string `json:"vm"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if _, err := s.record(r.Context(), r.PathValue("namespace")); err != nil {
		return nil, err
	}
	return nil, vapi.Unsupported("namespaces.registervm", "%s cannot be registered: a namespace has no virtual machines here yet", body.VM)
}

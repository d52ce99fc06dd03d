package namespaces

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/namespaces/projection"
	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// adoptable tells whether a user of single sign-on made the Namespace with kubectl and it is not center's yet.
func adoptable(ns *corev1.Namespace) bool {
	return ns.DeletionTimestamp == nil && ns.Annotations[namespaceapi.AnnotationCreator] != "" && ns.Annotations[namespaceapi.AnnotationUID] == ""
}

// adopt makes a record of a Namespace that its creator made with kubectl. taken: another cluster has a namespace of that name.
func (r *reconciler) adopt(ctx context.Context, k key, taken bool) error {
	if !taken {
		if err := r.service.forgetStatus(ctx, k.Name); err != nil {
			return err
		}
	}
	view := r.view(k.Cluster)
	if view == nil {
		return nil
	}
	ns := view.Namespace(k.Name)
	if ns == nil || !adoptable(ns) {
		return nil
	}
	if taken {
		return view.Tell(ctx, ns, "NameTaken", "another Supervisor of this center has a namespace of this name; it stays a namespace of Kubernetes only: delete it and choose another name")
	}
	record, err := r.adopted(ctx, k.Cluster, ns)
	if _, refused := errors.AsType[*vapi.Error](err); refused {
		return view.Tell(ctx, ns, "NoSelfService", "it stays a namespace of Kubernetes only: "+err.Error())
	}
	if err != nil {
		return err
	}
	err = r.service.add(ctx, k.Name, record)
	if _, exists := errors.AsType[*vapi.Error](err); exists {
		return nil // somebody was faster; its record has this looked at again
	}
	return err
}

func (r *reconciler) adopted(ctx context.Context, cluster string, ns *corev1.Namespace) (Record, error) {
	if err := spec.Name(ns.Name); err != nil {
		return Record{}, err
	}
	name, domain, ok := namespaceapi.ParseSubject(ns.Annotations[namespaceapi.AnnotationCreator])
	state, err := r.service.selfServiceOf(ctx, cluster)
	switch {
	case err != nil:
		return Record{}, err
	case !ok || !state.Active:
		return Record{}, vapi.NotAllowedInCurrentState("namespaces.selfservice.inactive", "self-service is not active on %s; an administrator activates it", cluster)
	}
	t, err := r.service.template(ctx, cluster, state.Template)
	if err != nil {
		return Record{}, err
	}
	return adopted(cluster, t, string(ns.UID), spec.Principal{Subject: name, Domain: domain}), nil
}

// syncCluster brings what belongs to no single namespace to a Supervisor.
func (r *reconciler) syncCluster(ctx context.Context, cluster string) error {
	session := r.sessions.get(cluster)
	view, _ := session.current()
	if view == nil {
		return nil
	}
	storage, access, err := r.used(ctx, cluster)
	if err != nil {
		return err
	}
	permissions, template, err := r.permissions(ctx, cluster, access)
	if err != nil {
		return err
	}
	classes, err := r.service.classes(ctx, append(storage, template...))
	if err != nil {
		return err
	}
	if session.swapClasses(classes) {
		defer func() { _ = r.addNamespaces(ctx, cluster) }()
	}
	return view.Apply(ctx, "", projection.DesiredOfCluster(projection.Supervisor{Cluster: cluster, Classes: classes}, permissions))
}

func (r *reconciler) addNamespaces(ctx context.Context, cluster string) error {
	names, err := r.service.Of(ctx, cluster)
	for _, name := range names {
		r.loop.Add(key{cluster, name})
	}
	return err
}

// used by the namespaces of a cluster.
func (r *reconciler) used(ctx context.Context, cluster string) (storage []spec.Storage, access []spec.Access, err error) {
	items, err := r.service.records.List(ctx)
	for _, item := range items {
		if item.Value.Cluster == cluster && !item.Value.Removing {
			storage = append(storage, item.Value.Settings.Storage...)
			access = append(access, item.Value.Settings.Access...)
		}
	}
	return storage, access, err
}

// permissions of self-service, none while it is not active, and the storage of its template.
func (r *reconciler) permissions(ctx context.Context, cluster string, access []spec.Access) ([]projection.Permission, []spec.Storage, error) {
	state, err := r.service.selfServiceOf(ctx, cluster)
	if err != nil || !state.Active {
		return nil, nil, err
	}
	t, _, err := r.service.templates.Get(ctx, templateID(cluster, state.Template))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	return projection.SelfServiceUsers(t.permissions(), access), t.Storage, err
}

// classes of policies. One that is not known any more has none; its quota goes with it.
func (s *Service) classes(ctx context.Context, storage []spec.Storage) (map[string]string, error) {
	classes := map[string]string{}
	for _, used := range storage {
		class, err := s.config.Catalog.StorageClass(ctx, used.Policy)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		classes[used.Policy] = class
	}
	return classes, nil
}

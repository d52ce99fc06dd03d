package namespaces

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"pacific/internal/center/namespaces/projection"
	"pacific/internal/center/store"
)

const (
	// usableRetry is for what Kubernetes does within some ten milliseconds.
	usableRetry = 100 * time.Millisecond
	// removalRetry is how often it is said anew what a removal waits for; its end is seen by a watch.
	removalRetry = 2 * time.Second
)

// pass is one look at one namespace.
type pass struct {
	*reconciler
	name   string
	record Record
	before Status
	// session with the namespace's Supervisor.
	session *session
	again   time.Duration
}

func equal(a, b Status) bool { return reflect.DeepEqual(a, b) }

// status of the record as it was looked at.
func (p *pass) status(config ConfigStatus, messages ...Message) Status {
	return Status{UID: p.record.UID, Generation: p.record.Generation, Config: config, Messages: messages, Projected: p.before.Projected}
}

// held is the status while something outside is waited for: what was so before stays so.
func (p *pass) held(text string) Status {
	config := Configuring
	switch {
	case p.record.Removing:
		config = RemovingNow
	case p.before.Config == Running && p.before.Generation == p.record.Generation:
		config = Running
	}
	return p.status(config, message(Warning, "waits", text))
}

func (p *pass) run(ctx context.Context) (Status, error) {
	service := p.service
	supervisor, err := service.config.Supervisors.Get(ctx, p.record.Cluster)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Status{}, p.forget(ctx) // all that was in the Supervisor went with it
	case err != nil:
		return p.held("center cannot read the state of the Supervisor: " + err.Error()), err
	case supervisor.Status == string(RemovingNow) && !p.record.Removing:
		return p.held("the Supervisor is being removed, and the namespace with it"), service.markRemoving(ctx, p.name, p.record.UID)
	}
	p.session = p.sessions.get(p.record.Cluster)
	view, problem := p.session.current()
	if view == nil {
		return p.held("waits for the Supervisor of " + supervisor.Name + ", which is " + supervisor.Status + ": " + problem.Error()), nil
	}
	ns := view.Namespace(p.name)
	if ns == nil {
		if ns, err = view.Exists(ctx, p.name); err != nil {
			return p.failed(err)
		}
	}
	return p.act(ctx, view, ns, supervisor)
}

func (p *pass) act(ctx context.Context, view *projection.View, ns *corev1.Namespace, supervisor Supervisor) (Status, error) {
	switch next(p.record, p.before.Projected, ns) {
	case forget:
		return Status{}, p.forget(ctx)
	case deleteNow:
		if err := view.Delete(ctx, ns); err != nil {
			return p.failed(err)
		}
		return p.remaining(ctx, view, ns)
	case awaitGone:
		return p.remaining(ctx, view, ns)
	case giveUp:
		return p.status(RemovingNow, message(Info, "deleted", "an owner has deleted the namespace with kubectl")), p.service.markRemoving(ctx, p.name, p.record.UID)
	case refuse:
		return p.status(Failed, message(Problem, "foreign", projection.ErrForeign.Error()+": delete it there with kubectl, then this goes on, or delete this namespace")), nil
	case awaitEnd:
		p.again = removalRetry
		return p.awaitEnd(ctx, view, ns)
	case create:
		err := view.Create(ctx, p.projected())
		switch {
		case errors.Is(err, projection.ErrForeign):
			p.again = usableRetry // the cache will show it
			return p.held("a namespace of this name was made in the Supervisor at the same moment"), nil
		case err != nil:
			return p.failed(err)
		}
		p.before.Projected = true
	}
	return p.apply(ctx, view, supervisor)
}

func (p *pass) projected() projection.Namespace {
	return projection.Namespace{
		Name: p.name, UID: p.record.UID, ResourcePool: p.record.ResourcePool, Folder: p.record.Folder,
		SelfService: p.record.SelfService, Settings: p.record.Settings,
	}
}

func (p *pass) apply(ctx context.Context, view *projection.View, supervisor Supervisor) (Status, error) {
	p.before.Projected = true
	if !p.session.knowsClasses() {
		if err := p.syncCluster(ctx, p.record.Cluster); err != nil {
			return p.failed(err)
		}
	}
	own, err := p.service.classes(ctx, p.record.Settings.Storage)
	if err != nil {
		return p.failed(err)
	}
	objects, err := projection.Desired(p.projected(), projection.Supervisor{
		Cluster: p.record.Cluster, MHzPerCore: supervisor.MHzPerCore, Administrators: p.service.config.Administrators,
		Classes: p.session.classesWith(own),
	})
	if err != nil {
		return p.held("waits: " + err.Error()), nil // a host that tells is a change of the Supervisor
	}
	if err := view.Apply(ctx, p.name, objects); err != nil {
		return p.failed(err)
	}
	if p.before.Config == Running {
		return p.status(Running), nil
	}
	usable, err := view.Usable(ctx, p.name)
	switch {
	case err != nil:
		return p.failed(err)
	case !usable:
		p.again = usableRetry
		return p.status(Configuring, message(Info, "account", "waits for Kubernetes to make the default service account of the namespace")), nil
	}
	return p.status(Running), nil
}

// failed is the status after an error of the Supervisor. What it refuses is an error of the namespace; that it does not answer
// is not.
func (p *pass) failed(err error) (Status, error) {
	if p.record.Removing || !refused(err) {
		return p.held("center will try again: " + err.Error()), err
	}
	return p.status(Failed, message(Problem, "refused", "the Supervisor refuses an object of the namespace, center will try again: "+err.Error())), err
}

func refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err)
}

func (p *pass) awaitEnd(ctx context.Context, view *projection.View, ns *corev1.Namespace) (Status, error) {
	remaining, err := view.Remaining(ctx, ns)
	if err != nil {
		return p.failed(err)
	}
	text := "a namespace of this name is being deleted in the Supervisor, this one is made when it is gone"
	if len(remaining) > 0 {
		text += "; it waits for " + strings.Join(remaining, "; ")
	}
	return p.status(Configuring, message(Warning, "earlier", text)), nil
}

// remaining says what the removal waits for.
func (p *pass) remaining(ctx context.Context, view *projection.View, ns *corev1.Namespace) (Status, error) {
	p.again = removalRetry
	remaining, err := view.Remaining(ctx, ns)
	if err != nil {
		return p.failed(err)
	}
	if len(remaining) == 0 {
		return p.status(RemovingNow, message(Info, "removing", "waits for Kubernetes to remove the namespace")), nil
	}
	var messages []Message
	for _, what := range remaining {
		messages = append(messages, message(Info, "remaining", "waits for "+what))
	}
	return p.status(RemovingNow, messages...), nil
}

// forget deletes the record, then its status: a status without a record is deleted at the next look.
func (p *pass) forget(ctx context.Context) error {
	record, revision, err := p.service.records.Get(ctx, p.name)
	if err == nil && record.UID == p.record.UID {
		err = p.service.config.Store.Commit(ctx, p.service.records.DeleteOp(p.name, revision))
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := p.service.forgetStatus(ctx, p.name); err != nil {
		return err
	}
	return errForgotten
}

func (s *Service) forgetStatus(ctx context.Context, name string) error {
	err := s.statuses.Delete(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

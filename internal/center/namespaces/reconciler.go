package namespaces

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"pacific/internal/center/namespaces/projection"
	"pacific/internal/center/store"
	"pacific/internal/supervisor/controllers/reconcile"
)

// workers bring as many namespaces to their Supervisors at once.
const workers = 8

// supervisorsInterval is how often Supervisors are looked at beside their watch.
const supervisorsInterval = 2 * time.Second

// key is a namespace of a cluster, or with no name what belongs to the cluster itself.
type key struct{ Cluster, Name string }

// reconciler brings records to Supervisors.
type reconciler struct {
	service  *Service
	sessions sessions
	loop     *reconcile.Loop[key]
	// seen revision of each record, so that one that did not change is not looked at.
	seen map[string]store.Revision
}

func newReconciler(s *Service) *reconciler {
	return &reconciler{
		service: s, loop: reconcile.New[key]("center-namespaces"), seen: map[string]store.Revision{},
		sessions: sessions{byCluster: map[string]*session{}},
	}
}

func (r *reconciler) run(ctx context.Context) error {
	defer r.sessions.end()
	group, ctx := errgroup.WithContext(ctx)
	follow := func(signals <-chan struct{}, see func(context.Context) error) {
		group.Go(func() error {
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-signals:
				}
				if err := r.seeUntilDone(ctx, see); err != nil {
					return err
				}
			}
		})
	}
	follow(r.service.config.Supervisors.Watch(ctx), r.seeSupervisors)
	group.Go(func() error { return r.seeSupervisorsChange(ctx) })
	follow(r.service.records.Watch(ctx), r.seeRecords)
	follow(r.service.templates.Watch(ctx), r.seeClusters)
	follow(r.service.selfService.Watch(ctx), r.seeClusters)
	group.Go(func() error { return r.loop.Run(ctx, workers, r.sync) })
	return group.Wait()
}

// seeUntilDone tries again until the store answers.
func (r *reconciler) seeUntilDone(ctx context.Context, see func(context.Context) error) error {
	for {
		err := see(ctx)
		if err == nil {
			return nil
		}
		klog.ErrorS(err, "Namespaces cannot be listed; will try again", "after", sessionRetry)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sessionRetry):
		}
	}
}

// view of a Supervisor, nil while there is none.
func (r *reconciler) view(cluster string) *projection.View {
	view, _ := r.sessions.get(cluster).current()
	return view
}

// seeSupervisorsChange looks at what is told about Supervisors without a change of a record, such as the frequency of a host that
// has just joined.
func (r *reconciler) seeSupervisorsChange(ctx context.Context) error {
	var before []Supervisor
	ticker := time.NewTicker(supervisorsInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		now, err := r.service.config.Supervisors.List(ctx)
		if err != nil {
			continue // the store is away; its watch signals when it is back
		}
		slices.SortFunc(now, func(a, b Supervisor) int { return strings.Compare(a.Cluster, b.Cluster) })
		if slices.Equal(before, now) {
			continue
		}
		before = now
		if err := r.seeUntilDone(ctx, r.seeSupervisors); err != nil {
			return err
		}
	}
}

func (r *reconciler) seeSupervisors(ctx context.Context) error {
	supervisors, err := r.service.config.Supervisors.List(ctx)
	if err != nil {
		return err
	}
	r.sessions.keep(supervisors, r.begin(ctx))
	return r.addAll(ctx, "")
}

// addAll has all namespaces of a cluster looked at, or with "" all of center's.
func (r *reconciler) addAll(ctx context.Context, cluster string) error {
	items, err := r.service.records.List(ctx)
	if err != nil {
		return err
	}
	for _, item := range items {
		if cluster == "" || item.Value.Cluster == cluster {
			r.loop.Add(key{item.Value.Cluster, item.ID})
		}
	}
	if cluster != "" {
		r.loop.Add(key{Cluster: cluster})
		return nil
	}
	return r.seeClusters(ctx)
}

// seeRecords has those looked at that changed.
func (r *reconciler) seeRecords(ctx context.Context) error {
	items, err := r.service.records.List(ctx)
	if err != nil {
		return err
	}
	now := map[string]store.Revision{}
	for _, item := range items {
		now[item.ID] = item.Revision
		if r.seen[item.ID] != item.Revision {
			r.loop.Add(key{item.Value.Cluster, item.ID})
			r.loop.Add(key{Cluster: item.Value.Cluster})
		}
		delete(r.seen, item.ID)
	}
	if len(r.seen) > 0 {
		r.addClusters() // some are gone, with what they needed of their clusters
	}
	r.seen = now
	return nil
}

func (r *reconciler) addClusters() {
	for _, cluster := range r.sessions.clusters() {
		r.loop.Add(key{Cluster: cluster})
	}
}

// seeClusters has the clusters looked at, and the namespaces in them that wait for self-service.
func (r *reconciler) seeClusters(context.Context) error {
	r.addClusters()
	for _, cluster := range r.sessions.clusters() {
		if view := r.view(cluster); view != nil {
			namespaces, err := view.Namespaces()
			if err != nil {
				return err
			}
			for _, ns := range namespaces {
				if adoptable(ns) {
					r.loop.Add(key{cluster, ns.Name})
				}
			}
		}
	}
	return nil
}

func (r *reconciler) sync(ctx context.Context, k key) error {
	if k.Name == "" {
		return r.syncCluster(ctx, k.Cluster)
	}
	record, _, err := r.service.records.Get(ctx, k.Name)
	if errors.Is(err, store.ErrNotFound) || err == nil && record.Cluster != k.Cluster {
		return r.adopt(ctx, k, err == nil)
	}
	if err != nil {
		return err
	}
	before, err := r.service.status(ctx, k.Name)
	if err != nil {
		return err
	}
	if before.UID != record.UID {
		before = Status{UID: record.UID}
	}
	return r.bring(ctx, &pass{reconciler: r, name: k.Name, record: record, before: before})
}

// bring a namespace forward, and write down what was found.
func (r *reconciler) bring(ctx context.Context, p *pass) error {
	after, err := p.run(ctx)
	if errors.Is(err, errForgotten) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if writeErr := r.service.found(ctx, p.name, p.before, after); writeErr != nil {
		return errors.Join(err, writeErr)
	}
	if err != nil {
		return err
	}
	if p.again > 0 {
		r.loop.AddAfter(key{p.record.Cluster, p.name}, p.again)
	}
	return nil
}

// errForgotten: the record is gone, and its status with it.
var errForgotten = errors.New("forgotten")

// found writes a status that differs from the one before.
func (s *Service) found(ctx context.Context, name string, before, after Status) error {
	if equal(before, after) {
		return nil
	}
	err := s.statuses.Create(ctx, name, after)
	if errors.Is(err, store.ErrExists) {
		_, err = s.statuses.Update(ctx, name, func(now *Status) error { *now = after; return nil })
	}
	if err != nil {
		return fmt.Errorf("status of namespace %s: %w", name, err)
	}
	return nil
}

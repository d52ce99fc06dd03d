package wcp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/store"
	"pacific/internal/supervisor/member"
)

// Deployer has members on hosts. What it does takes effect as soon as the host answers.
type Deployer interface {
	// Deploy makes sure that the member's host has it with this configuration, and that it runs.
	Deploy(ctx context.Context, cluster string, s Supervisor, m Member, config member.Config) error
	// Undeploy makes sure that the host has nothing of it.
	Undeploy(ctx context.Context, cluster string, m Member) error
	// Deployed tells whether the host has it, and what there is to say of it. An error means that nobody knows.
	Deployed(ctx context.Context, cluster string, m Member) (deployed bool, message string, err error)
}

const (
	// lookInterval is how often a Supervisor is looked at that is as it should be, pressInterval one that is not.
	lookInterval  = 5 * time.Second
	pressInterval = time.Second
	// lookTimeout bounds one look at everything, so that one dead host does not hold up others for long.
	lookTimeout = 20 * time.Second
)

// Run brings Supervisors to what is wanted of them, until ctx is cancelled.
func (s *Service) Run(ctx context.Context) error {
	changed := s.supervisors.Watch(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-changed:
			if !ok {
				return nil
			}
		case <-timer.C:
		}
		timer.Reset(s.pass(ctx))
	}
}

// pass looks at every Supervisor once, and tells when the next look is due.
func (s *Service) pass(ctx context.Context) time.Duration {
	items, err := s.supervisors.List(ctx)
	if err != nil {
		if ctx.Err() == nil {
			klog.ErrorS(err, "Cannot read the Supervisors; will try again")
		}
		return pressInterval
	}
	next := lookInterval
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, item := range items {
		all.Go(func() {
			settled, err := s.reconcile(ctx, item)
			if err != nil && ctx.Err() == nil {
				klog.ErrorS(err, "Cannot bring Supervisor to what is wanted; will try again", "cluster", item.ID)
			}
			if !settled {
				mu.Lock()
				defer mu.Unlock()
				next = pressInterval
			}
		})
	}
	all.Wait()
	return next
}

// reconcile does one step. It is settled when there is nothing to wait for.
func (s *Service) reconcile(ctx context.Context, item store.Item[Supervisor]) (settled bool, err error) {
	cluster, supervisor := item.ID, item.Value
	secrets, err := s.ensureSecrets(ctx, cluster)
	if err != nil {
		return false, err
	}
	facts, etcd, stats, err := s.look(ctx, cluster, supervisor, secrets)
	if err != nil {
		return false, err
	}
	next, actions, messages := Step(supervisor, facts)
	if !slices.Equal(messages, s.status.of(cluster, next).Messages) {
		klog.InfoS("Supervisor", "cluster", cluster, "waitsFor", messages)
	}
	status := judge(next, facts.API, messages)
	status.Stats = stats
	s.status.set(cluster, status)
	if !equalRecords(supervisor, next) {
		// What was decided is written before it is done: after a crash it goes on from there.
		if err := s.supervisors.Put(ctx, cluster, next, item.Revision); err != nil {
			if errors.Is(err, store.ErrConflict) {
				return false, nil
			}
			return false, err
		}
	}
	var errs []error
	for _, action := range actions {
		errs = append(errs, s.act(ctx, cluster, next, secrets, etcd, action))
	}
	return len(messages) == 0, errors.Join(errs...)
}

func (s *Service) act(ctx context.Context, cluster string, supervisor Supervisor, secrets Secrets, etcd membership, action Action) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	m, ok := supervisor.member(action.Member)
	if !ok && action.Kind != Forget {
		return nil
	}
	klog.V(1).InfoS("Supervisor action", "cluster", cluster, "kind", action.Kind, "member", action.Member, "host", action.Host)
	switch action.Kind {
	case Deploy:
		return s.deployer(m).Deploy(ctx, cluster, supervisor, m, s.memberConfig(cluster, supervisor, m, secrets))
	case Undeploy:
		return s.deployer(m).Undeploy(ctx, cluster, m)
	case AddLearner:
		return etcd.addLearner(ctx, m)
	case Promote:
		return etcd.promote(ctx, m)
	case RemoveEtcd:
		return etcd.remove(ctx, m)
	case Forget:
		return s.forget(ctx, cluster)
	}
	return nil
}

func (s Supervisor) member(name string) (Member, bool) {
	i := slices.IndexFunc(s.Members, func(m Member) bool { return m.Name == name })
	if i < 0 {
		return Member{}, false
	}
	return s.Members[i], true
}

func (s *Service) deployer(m Member) Deployer { return s.config.Deployers[m.Deployment] }

// forget a Supervisor that is gone. Its secrets go with it, in one transaction.
func (s *Service) forget(ctx context.Context, cluster string) error {
	_, revision, err := s.supervisors.Get(ctx, cluster)
	if err != nil {
		return err
	}
	ops := []store.Op{s.supervisors.DeleteOp(cluster, revision)}
	if _, revision, err := s.secrets.Get(ctx, cluster); err == nil {
		ops = append(ops, s.secrets.DeleteOp(cluster, revision))
	}
	if err := s.records.Commit(ctx, ops...); err != nil {
		return err
	}
	s.status.forget(cluster)
	s.clients.forget(cluster)
	klog.InfoS("Supervisor is gone", "cluster", cluster)
	return nil
}

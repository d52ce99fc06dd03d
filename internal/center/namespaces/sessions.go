package namespaces

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/center/namespaces/projection"
)

// sessionRetry is the pause between two tries to reach a Supervisor that cannot be reached, and how often it is asked why.
const sessionRetry = 2 * time.Second

// sessionLife is well below the life of center's certificate for a Supervisor, which is a day.
const sessionLife = 8 * time.Hour

// session with one Supervisor.
type session struct {
	incarnation string
	cancel      context.CancelFunc
	done        chan struct{}

	mu      sync.Mutex
	view    *projection.View // nil until all is seen
	problem error
	classes map[string]string
}

// sessions with all Supervisors that take namespaces.
type sessions struct {
	mu        sync.Mutex
	byCluster map[string]*session
}

func (s *sessions) get(cluster string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byCluster[cluster]
}

// clusters that have a session.
func (s *sessions) clusters() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.byCluster {
		names = append(names, name)
	}
	return names
}

// keep begins and ends sessions, so that there is one for each of the Supervisors.
func (s *sessions) keep(supervisors []Supervisor, begin func(Supervisor) *session) {
	listed := map[string]Supervisor{}
	for _, supervisor := range supervisors {
		listed[supervisor.Cluster] = supervisor
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for cluster, have := range s.byCluster {
		if supervisor, ok := listed[cluster]; !ok || supervisor.Incarnation != have.incarnation {
			have.cancel()
			delete(s.byCluster, cluster)
		}
	}
	for cluster, supervisor := range listed {
		// One that is being configured has no API yet; one that was there before is watched on, whatever its state.
		if s.byCluster[cluster] == nil && supervisor.Status != string(Configuring) {
			s.byCluster[cluster] = begin(supervisor)
		}
	}
}

// end ends all sessions.
func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cluster, have := range s.byCluster {
		have.cancel()
		<-have.done
		delete(s.byCluster, cluster)
	}
}

func (s *session) set(view *projection.View, problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view, s.problem = view, problem
}

// current view, or why there is none.
func (s *session) current() (*projection.View, error) {
	if s == nil {
		return nil, errors.New("center does not speak to it yet")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil && s.problem == nil {
		return nil, errors.New("center is reading its state")
	}
	return s.view, s.problem
}

// swapClasses tells whether the StorageClasses are others than before.
func (s *session) swapClasses(classes map[string]string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := len(classes) != len(s.classes)
	for policy, class := range classes {
		changed = changed || s.classes[policy] != class
	}
	s.classes = classes
	return changed
}

// knowsClasses is false until the cluster was looked at: quotas made without its StorageClasses would let everything through.
func (s *session) knowsClasses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.classes != nil
}

// classesWith are the cluster's StorageClasses and a namespace's own, which may be newer.
func (s *session) classesWith(own map[string]string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for policy, class := range s.classes {
		all[policy] = class
	}
	for policy, class := range own {
		all[policy] = class
	}
	return all
}

// stuck notes why there is no view yet, and tells whether that is another reason than before.
func (s *session) stuck(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.view == nil && (s.problem == nil || s.problem.Error() != err.Error())
	if s.view == nil {
		s.problem = err
	}
	return news
}

// begin a session, which goes on until it is cancelled.
func (r *reconciler) begin(ctx context.Context) func(Supervisor) *session {
	return func(supervisor Supervisor) *session {
		ctx, cancel := context.WithCancel(ctx)
		s := &session{incarnation: supervisor.Incarnation, cancel: cancel, done: make(chan struct{})}
		go func() {
			defer close(s.done)
			for ctx.Err() == nil {
				r.hold(ctx, s, supervisor.Cluster)
				s.set(nil, errors.New("center could not get its credentials"))
				select {
				case <-ctx.Done():
				case <-time.After(sessionRetry):
				}
			}
		}()
		return s
	}
}

// hold one view as long as its credentials last.
func (r *reconciler) hold(ctx context.Context, s *session, cluster string) {
	ctx, cancel := context.WithTimeout(ctx, sessionLife)
	defer cancel()
	config, err := r.service.config.Supervisors.RESTConfig(ctx, cluster)
	if err != nil {
		klog.ErrorS(err, "Supervisor has no credentials for center; will try again", "cluster", cluster)
		return
	}
	view, err := projection.NewView(config, projection.Changes{
		Namespace: func(name string) { r.loop.Add(key{cluster, name}) },
		Cluster:   func() { r.loop.Add(key{Cluster: cluster}) },
	})
	if err != nil {
		klog.ErrorS(err, "Supervisor cannot be watched; will try again", "cluster", cluster)
		return
	}
	ready := make(chan struct{})
	go r.explain(ctx, s, view, cluster, ready)
	view.Run(ctx, func() {
		close(ready)
		s.set(view, nil)
		klog.InfoS("Supervisor's namespaces are seen", "cluster", cluster)
		_ = r.addAll(ctx, cluster) // fails only with the store, whose watch signals again when it is back
	})
}

// explain why a view does not get ready.
func (r *reconciler) explain(ctx context.Context, s *session, view *projection.View, cluster string, ready <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ready:
			return
		case <-time.After(sessionRetry):
			if err := view.Reach(ctx); err != nil {
				if s.stuck(err) {
					_ = r.addAll(ctx, cluster)
				}
			}
		}
	}
}

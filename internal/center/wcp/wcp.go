// Package wcp is the Workload Platform Service: it turns a cluster of hosts into a Supervisor and back, and keeps what machines
// may be made of. The REST API is the original's, /api/vcenter/namespace-management.
package wcp

import (
	"context"
	"errors"
	"slices"
	"time"

	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

const base = "/api/vcenter/namespace-management"

// Fleet is what the service needs to know of hosts.
type Fleet interface {
	// Hosts of a cluster, in the order of their names.
	Hosts(ctx context.Context, cluster string) ([]Host, error)
}

// Service is the part of center.
type Service struct {
	Classes  *Classes
	Policies *Policies

	supervisors store.Collection[Supervisor]
	secrets     store.Collection[Secrets]
	clusters    store.Collection[inventory.Cluster]
	status      statuses
	fleet       Fleet
	version     string
	now         func() time.Time
}

// New is the service with its records in the store. version is the one of Kubernetes that Supervisors run.
func New(s *store.Store, fleet Fleet, version string) *Service {
	return &Service{
		Classes: NewClasses(s), Policies: NewPolicies(s),
		supervisors: store.Of[Supervisor](s, "supervisors"), secrets: store.Of[Secrets](s, "supervisor-secrets"),
		clusters: inventory.Clusters(s), fleet: fleet, version: version, now: time.Now,
	}
}

// Routes of the service.
func (s *Service) Routes() []rest.Route {
	clusters := base + "/clusters"
	routes := []rest.Route{
		{Method: "GET", Path: base + "/cluster-compatibility", Access: rest.Reader, Handle: s.compatibility},
		{Method: "GET", Path: base + "/cluster-compatibility/v2", Access: rest.Reader, Handle: s.compatibility},
		{Method: "GET", Path: base + "/cluster-size-info", Access: rest.Reader, Handle: func(*rest.Request) (any, error) { return sizeInfos(), nil }},
		{Method: "GET", Path: base + "/distributed-switch-compatibility", Access: rest.Reader, Handle: s.switches},
		{Method: "GET", Path: base + "/edge-cluster-compatibility", Access: rest.Reader, Handle: s.edges},
		{Method: "GET", Path: clusters, Access: rest.Reader, Handle: s.list},
		{Method: "GET", Path: clusters + "/{cluster}", Access: rest.Reader, Handle: s.get},
		{Method: "PATCH", Path: clusters + "/{cluster}", Handle: s.update},
		{Method: "POST", Path: clusters + "/{cluster}", Action: "enable", Handle: s.enable},
		{Method: "POST", Path: clusters + "/{cluster}", Action: "disable", Handle: s.disable},
		{Method: "POST", Path: base + "/supervisors/{cluster}", Action: "enable_on_compute_cluster", Handle: s.enableOnComputeCluster},
		{Method: "GET", Path: base + "/supervisors/summaries", Access: rest.Reader, Handle: s.summaries},
		{Method: "GET", Path: base + "/supervisors/{cluster}/summary", Access: rest.Reader, Handle: s.summary},
		{Method: "GET", Path: base + "/supervisors/{cluster}/topology", Access: rest.Reader, Handle: s.topology},
		{Method: "GET", Path: base + "/software/clusters", Access: rest.Reader, Handle: s.software},
		{Method: "GET", Path: base + "/software/clusters/{cluster}", Access: rest.Reader, Handle: s.softwareOf},
		{Method: "GET", Path: base + "/software/cluster-available-versions", Access: rest.Reader, Handle: s.versions},
	}
	return slices.Concat(routes, s.Classes.Routes(), s.Policies.Routes())
}

// cluster reads the cluster of a request's path.
func (s *Service) cluster(r *rest.Request) (string, inventory.Cluster, error) {
	id := r.PathValue("cluster")
	cluster, _, err := s.clusters.Get(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		err = vapi.NotFound("cluster.not_found", "there is no cluster %s; GET %s/cluster-compatibility lists the clusters", id, base)
	}
	return id, cluster, err
}

// supervisor reads the Supervisor of a request's path.
func (s *Service) supervisor(r *rest.Request) (string, inventory.Cluster, Supervisor, error) {
	id, cluster, err := s.cluster(r)
	if err != nil {
		return id, cluster, Supervisor{}, err
	}
	supervisor, _, err := s.supervisors.Get(r.Context(), id)
	return id, cluster, supervisor, notEnabled(id, err)
}

func notEnabled(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return vapi.NotFound("cluster.not_enabled", "cluster %s is no Supervisor; enable it with POST %s/clusters/%s?action=enable", id, base, id)
	}
	return err
}

// EnsureBuiltin makes the records that every center has.
func (s *Service) EnsureBuiltin(ctx context.Context, records *store.Store) error {
	return errors.Join(s.Classes.EnsureBuiltin(ctx, records), s.Policies.EnsureBuiltin(ctx))
}

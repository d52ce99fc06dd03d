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
	"pacific/internal/pki"
	"pacific/internal/supervisor/member"
)

const base = "/api/vcenter/namespace-management"

// Fleet is what the service needs to know of hosts.
type Fleet interface {
	// Hosts of a cluster, in the order of their names.
	Hosts(ctx context.Context, cluster string) ([]Host, error)
	// Nodes are the names of those hosts that have the spherelet bundle.
	Nodes(ctx context.Context, cluster string) ([]string, error)
	// Stats of all hosts together.
	Stats(ctx context.Context, cluster string) (Stats, error)
}

// Config of the service.
type Config struct {
	Store *store.Store
	Fleet Fleet
	// HostCA signs the image controllers' certificates for hostds.
	HostCA *pki.CA
	// Version of Kubernetes that Supervisors run.
	Version string
	// Deployers by the kind of deployment.
	Deployers map[string]Deployer
	// Tokens are how people sign in at Supervisors.
	Tokens member.Tokens
	// Registries are the authorities (PEM) by host:port that hosts and Supervisors trust beside the usual ones.
	Registries func() map[string][]byte
	// RemoveNamespaces tells all namespaces of a Supervisor to go, and lists those that are still there.
	RemoveNamespaces func(ctx context.Context, cluster string) ([]string, error)
}

// Service is the part of center.
type Service struct {
	Classes  *Classes
	Policies *Policies

	config      Config
	records     *store.Store
	supervisors store.Collection[Supervisor]
	secrets     store.Collection[Secrets]
	clusters    store.Collection[inventory.Cluster]
	status      statuses
	clients     clients
	hostCA      *pki.CA
	now         func() time.Time
}

// New is the service; [Service.Run] runs it.
func New(config Config) *Service {
	if config.Registries == nil {
		config.Registries = func() map[string][]byte { return nil }
	}
	return &Service{
		Classes: NewClasses(config.Store), Policies: NewPolicies(config.Store),
		config: config, records: config.Store, hostCA: config.HostCA,
		supervisors: store.Of[Supervisor](config.Store, "supervisors"), secrets: store.Of[Secrets](config.Store, "supervisor-secrets"),
		clusters: inventory.Clusters(config.Store), now: time.Now,
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
		{Method: "POST", Path: "/api/pacific/supervisors/{cluster}/kubeconfig", Handle: s.kubeconfig},
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
func (s *Service) EnsureBuiltin(ctx context.Context) error {
	return errors.Join(s.Classes.EnsureBuiltin(ctx, s.records), s.Policies.EnsureBuiltin(ctx))
}

// Get is a Supervisor, its cluster's name and how it is; [store.ErrNotFound] where the cluster is none.
func (s *Service) Get(ctx context.Context, cluster string) (supervisor Supervisor, name string, status Status, err error) {
	supervisor, _, err = s.supervisors.Get(ctx, cluster)
	if err != nil {
		return supervisor, "", Status{}, err
	}
	record, _, err := s.clusters.Get(ctx, cluster)
	return supervisor, record.Name, s.status.of(cluster, supervisor), err
}

// List the clusters that are Supervisors.
func (s *Service) List(ctx context.Context) ([]string, error) {
	items, err := s.supervisors.List(ctx)
	if err != nil {
		return nil, err
	}
	clusters := make([]string, 0, len(items))
	for _, item := range items {
		clusters = append(clusters, item.ID)
	}
	return clusters, nil
}

// Watch signals now and after every change of a Supervisor's record.
func (s *Service) Watch(ctx context.Context) <-chan struct{} { return s.supervisors.Watch(ctx) }

package namespaces

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/rest"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/store"
)

// Supervisor is what this part has to know of one.
type Supervisor struct {
	// Cluster is its id, such as domain-c1; Name is the cluster's name.
	Cluster, Name string
	// Status is its configuration status, one of CONFIGURING, RUNNING, REMOVING, ERROR.
	Status string
	// Host is the address that users log in to, Port that of the API server.
	Host string
	Port int
	// MHzPerCore of the hosts' processors; 0 as long as no host has told. The lowest, where hosts differ.
	MHzPerCore float64
	// Incarnation changes when the Supervisor is another one: disabled and enabled again, or with other credentials.
	Incarnation string
}

// Supervisors of the center.
type Supervisors interface {
	// Get finds one by its cluster's id, or by its own where that is another; store.ErrNotFound when the cluster has no
	// Supervisor: then what was in it is gone too.
	Get(ctx context.Context, id string) (Supervisor, error)
	List(ctx context.Context) ([]Supervisor, error)
	// RESTConfig is for acting as namespaceapi.UserCenter.
	RESTConfig(ctx context.Context, cluster string) (*rest.Config, error)
	// Watch signals now and after every change of what Get answers.
	Watch(ctx context.Context) <-chan struct{}
}

// Catalog knows what a namespace may be given.
type Catalog interface {
	// StorageClass is the name of a storage policy's StorageClass in Kubernetes; store.ErrNotFound.
	StorageClass(ctx context.Context, policy string) (string, error)
	// VMClass is nil if there is a VM class of that id; store.ErrNotFound.
	VMClass(ctx context.Context, id string) error
}

// Identities knows people and groups.
type Identities interface {
	// Exists tells whether a USER or GROUP is there. Those of domains that cannot be asked are said to be.
	Exists(ctx context.Context, subjectType, name, domain string) (bool, error)
}

// Usage of a namespace now: CPU in MHz, memory and storage in MiB.
type Usage struct {
	CPU     int64 `json:"cpu_used"`
	Memory  int64 `json:"memory_used"`
	Storage int64 `json:"storage_used"`
}

// Meter measures namespaces.
type Meter interface {
	// Usage of a namespace of a cluster; what is not measured is 0.
	Usage(cluster, namespace string) Usage
}

// Config is what the part needs of others.
type Config struct {
	Store       *store.Store
	Supervisors Supervisors
	Catalog     Catalog
	Identities  Identities
	// Meter may be nil: then nothing is used.
	Meter Meter
	// Administrators is the group that may use every namespace, such as sso:Administrators@pacific.local.
	Administrators string
}

// Service is the part of center that this package is.
type Service struct {
	config Config
	collections
	reconciler *reconciler
}

// New makes the part.
func New(config Config) *Service {
	s := &Service{config: config, collections: open(config.Store)}
	s.reconciler = newReconciler(s)
	return s
}

// Run brings namespaces to their Supervisors until ctx is cancelled.
func (s *Service) Run(ctx context.Context) error { return s.reconciler.run(ctx) }

// Pool is a namespace as a resource pool, for the part that divides pools among hosts. What is nil is not limited, not reserved,
// or has the usual share.
type Pool struct {
	// Name of the namespace, ID of its pool, Cluster on whose hosts it is.
	Name, ID, Cluster           string
	CPULimitMHz, MemoryLimitMiB *int64
	CPUReservationMHz           *int64
	MemoryReservationMiB        *int64
	CPUShares, MemoryShares     *int64
}

// Namespaces as resource pools. One that is being removed is among them until it has gone from its Supervisor.
func (s *Service) Namespaces(ctx context.Context) ([]Pool, error) {
	items, err := s.records.List(ctx)
	if err != nil {
		return nil, err
	}
	var pools []Pool
	for _, item := range items {
		r := item.Value.Settings.Resources
		pools = append(pools, Pool{
			Name: item.ID, ID: item.Value.ResourcePool, Cluster: item.Value.Cluster,
			CPULimitMHz: r.CPULimit, MemoryLimitMiB: r.MemoryLimit,
			CPUReservationMHz: r.CPUReservation, MemoryReservationMiB: r.MemoryReservation,
			CPUShares: r.CPUShares, MemoryShares: r.MemoryShares,
		})
	}
	return pools, nil
}

// Watch signals now and after every change of what Namespaces answers.
func (s *Service) Watch(ctx context.Context) <-chan struct{} { return s.records.Watch(ctx) }

// UsedBy lists the namespaces to which a VM class is given.
func (s *Service) UsedBy(ctx context.Context, vmClass string) ([]string, error) {
	return s.having(ctx, func(settings spec.Settings) bool {
		for _, c := range settings.VMService.VMClasses {
			if c == vmClass {
				return true
			}
		}
		return false
	})
}

// ClassUsers lists the namespaces by the VM classes that they were given.
func (s *Service) ClassUsers(ctx context.Context) (map[string][]string, error) {
	items, err := s.records.List(ctx)
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, item := range items {
		for _, class := range item.Value.Settings.VMService.VMClasses {
			users[class] = append(users[class], item.ID)
		}
	}
	return users, nil
}

func (s *Service) having(ctx context.Context, has func(spec.Settings) bool) ([]string, error) {
	items, err := s.records.List(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, item := range items {
		if has(item.Value.Settings) {
			names = append(names, item.ID)
		}
	}
	return names, nil
}

// Of lists the namespaces of a cluster.
func (s *Service) Of(ctx context.Context, cluster string) ([]string, error) {
	items, err := s.records.List(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, item := range items {
		if item.Value.Cluster == cluster {
			names = append(names, item.ID)
		}
	}
	return names, nil
}

// The first ids of the inventory that this part gives; the lower ones are for what is made with a cluster.
const firstID = 100

// nextID is an id that was never given before.
func (s *Service) nextID(ctx context.Context, prefix string) (string, error) {
	err := s.counters.Create(ctx, prefix, counter{Next: firstID})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return "", err
	}
	c, err := s.counters.Update(ctx, prefix, func(c *counter) error { c.Next++; return nil })
	return fmt.Sprintf("%s%d", prefix, c.Next-1), err
}

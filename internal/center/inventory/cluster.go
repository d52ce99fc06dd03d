// Package inventory holds what the center manages: datacenters, clusters, and what is in them.
package inventory

import (
	"context"
	"errors"

	"pacific/internal/center/store"
)

// Cluster of hosts.
type Cluster struct {
	Name       string `json:"name"`
	Datacenter string `json:"datacenter"` // id
}

// Datacenter is a folder of clusters.
type Datacenter struct {
	Name string `json:"name"`
}

// The first cluster, which every center has. Ids are the original's managed object ids.
const (
	DefaultDatacenter     = "datacenter-1"
	DefaultDatacenterName = "dc-1"
	DefaultCluster        = "domain-c1"
	DefaultClusterName    = "cluster-1"
)

// Clusters by id.
func Clusters(s *store.Store) store.Collection[Cluster] { return store.Of[Cluster](s, "clusters") }

// Datacenters by id.
func Datacenters(s *store.Store) store.Collection[Datacenter] {
	return store.Of[Datacenter](s, "datacenters")
}

// EnsureDefault makes the first datacenter and cluster where they are not.
func EnsureDefault(ctx context.Context, s *store.Store) error {
	err := Datacenters(s).Create(ctx, DefaultDatacenter, Datacenter{Name: DefaultDatacenterName})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	err = Clusters(s).Create(ctx, DefaultCluster, Cluster{Name: DefaultClusterName, Datacenter: DefaultDatacenter})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

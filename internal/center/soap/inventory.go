package soap

import "context"

// Inventory is what clients find by name. Ids are managed object ids.
type Inventory struct {
	Datacenters []Datacenter
	Policies    []Policy
}

// Datacenter holds clusters, and the networks and datastores that they share.
type Datacenter struct {
	ID, Name   string
	Clusters   []Cluster
	Networks   []Named
	Datastores []Datastore
}

// Named is an object of which nothing but its name matters here.
type Named struct{ ID, Name string }

// Cluster of hosts. Its root pool is RootPool; Pools are below it.
type Cluster struct {
	ID, Name string
	RootPool string
	Hosts    []Host
	Pools    []Pool
	Machines []Machine
}

// Host of a cluster.
type Host struct {
	ID, Name, Address string
	Connected         bool
	Maintenance       bool
	CPUs              int32
	MHz               int32 // of one processor
	MemoryBytes       int64
	CPUUsedMHz        int32
	MemoryUsedMiB     int32
	Product           string
	Version           string
}

// Pool of a namespace. A limit of -1 is none.
type Pool struct {
	ID, Name       string
	CPULimitMHz    int64
	MemoryLimitMiB int64
}

// Datastore of hosts.
type Datastore struct {
	ID, Name       string
	Capacity, Free int64 // bytes
	Hosts          []string
}

// Machine is a virtual machine or a managed CRX.
type Machine struct {
	ID, Name, UUID string
	Host, Pool     string // ids
	Running        bool
	CPUs           int32
	MemoryMiB      int32
	Address        string
	CPUUsedMHz     int32
	MemoryUsedMiB  int32
	Annotation     string
}

// Policy is a storage policy.
type Policy struct{ ID, Name, Description string }

// Source tells what there is now.
type Source func(context.Context) (Inventory, error)

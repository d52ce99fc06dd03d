package center

import (
	"context"
	"slices"

	"pacific/internal/center/hosts"
	"pacific/internal/center/inventory"
	"pacific/internal/center/machines"
	"pacific/internal/center/namespaces"
	"pacific/internal/center/soap"
	"pacific/internal/center/sso"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
	"pacific/internal/center/wcp"
)

// shown is the inventory that clients see by SOAP.
type shown struct {
	records    *store.Store
	fleet      *fleet
	wcp        *wcp.Service
	namespaces *namespaces.Service
	machines   *machines.Service
}

func (s shown) inventory(ctx context.Context) (soap.Inventory, error) {
	var all soap.Inventory
	policies, err := s.wcp.Policies.Names(ctx)
	if err != nil {
		return all, err
	}
	for id, name := range policies {
		all.Policies = append(all.Policies, soap.Policy{ID: id, Name: name})
	}
	datacenters, err := inventory.Datacenters(s.records).List(ctx)
	if err != nil {
		return all, err
	}
	clusters, err := inventory.Clusters(s.records).List(ctx)
	if err != nil {
		return all, err
	}
	pools, err := s.namespaces.Namespaces(ctx)
	if err != nil {
		return all, err
	}
	for _, item := range datacenters {
		dc := soap.Datacenter{ID: item.ID, Name: item.Value.Name, Networks: []soap.Named{{ID: inventory.ManagementNetwork, Name: inventory.ManagementNetworkName}}}
		for _, c := range clusters {
			if c.Value.Datacenter != item.ID {
				continue
			}
			cluster, datastores, err := s.cluster(ctx, c.ID, c.Value.Name, pools)
			if err != nil {
				return all, err
			}
			dc.Clusters = append(dc.Clusters, cluster)
			dc.Datastores = append(dc.Datastores, datastores...)
		}
		all.Datacenters = append(all.Datacenters, dc)
	}
	return all, nil
}

func (s shown) cluster(ctx context.Context, id, name string, pools []namespaces.Pool) (soap.Cluster, []soap.Datastore, error) {
	cluster := soap.Cluster{ID: id, Name: name, RootPool: inventory.RootPool(id)}
	list, err := s.fleet.of(ctx, id)
	if err != nil {
		return cluster, nil, err
	}
	var datastores []soap.Datastore
	for _, h := range list {
		state, _ := h.Connection()
		report := s.fleet.hosts.Report(h.ID).GetFacts()
		cluster.Hosts = append(cluster.Hosts, soap.Host{
			ID: h.ID, Name: h.Name, Address: h.Address, Connected: state == hosts.Connected, Maintenance: h.Maintenance,
			CPUs: int32(h.Facts.CPUs), MHz: int32(h.Facts.CPUMHz), MemoryBytes: int64(h.Facts.MemoryBytes),
			MemoryUsedMiB: int32(report.GetMemoryUsedBytes() >> 20), Product: h.Facts.OperatingSystem, Version: h.Facts.AgentVersion,
		})
		datastore, datastoreName := inventory.Datastore(h.ID, h.Name)
		datastores = append(datastores, soap.Datastore{
			ID: datastore, Name: datastoreName, Capacity: int64(h.Facts.StorageBytes), Free: int64(report.GetStorageFreeBytes()), Hosts: []string{h.ID},
		})
	}
	for _, p := range pools {
		if p.Cluster == id {
			cluster.Pools = append(cluster.Pools, soap.Pool{ID: p.ID, Name: p.Name, CPULimitMHz: limit(p.CPULimitMHz), MemoryLimitMiB: limit(p.MemoryLimitMiB)})
		}
	}
	if cluster.Machines, err = s.list(ctx, cluster); err != nil {
		return cluster, nil, err
	}
	slices.SortFunc(cluster.Pools, func(a, b soap.Pool) int { return len(a.ID) - len(b.ID) })
	return cluster, datastores, nil
}

// list the machines on the cluster's hosts.
func (s shown) list(ctx context.Context, cluster soap.Cluster) ([]soap.Machine, error) {
	all, err := s.machines.List(ctx)
	var list []soap.Machine
	for _, m := range all {
		if !slices.ContainsFunc(cluster.Hosts, func(h soap.Host) bool { return h.ID == m.Host }) {
			continue
		}
		machine := soap.Machine{
			ID: m.VM, Name: m.Name, UUID: m.ID, Host: m.Host, Pool: cluster.RootPool, Running: m.PowerState == "POWERED_ON",
			CPUs: int32(m.CPUs), MemoryMiB: int32(m.MemoryBytes >> 20), Address: m.Address,
		}
		for _, p := range cluster.Pools {
			if p.Name == m.Namespace {
				machine.Pool = p.ID
			}
		}
		if m.CPUMHz != nil {
			machine.CPUUsedMHz = int32(*m.CPUMHz)
		}
		if m.MemoryUsedBytes != nil {
			machine.MemoryUsedMiB = int32(*m.MemoryUsedBytes >> 20)
		}
		list = append(list, machine)
	}
	return list, err
}

// limit is -1 for none, as the original writes it.
func limit(l *int64) int64 {
	if l == nil {
		return -1
	}
	return *l
}

// logins let people look by SOAP who have a role on center.
type logins struct{ sso *sso.Service }

// Login implements [soap.Logins].
func (l logins) Login(ctx context.Context, source, user, password string) (soap.Permit, error) {
	identity, err := l.sso.ByPassword(ctx, source, user, password)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		principal, err := l.sso.Principal(ctx, identity)
		if err == nil && !principal.Administrator && !principal.ReadOnly {
			err = vapi.Unauthorized("role", "%s has no role on center", principal)
		}
		return err
	}, nil
}

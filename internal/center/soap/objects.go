package soap

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/vpx"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"pacific/internal/center/inventory"
)

// objects makes the managed objects of an inventory, children before the parents that name them. They are never changed
// after they were given to the registry: another inventory makes new ones.
func objects(all Inventory) []mo.Reference {
	b := &builder{}
	root := &simulator.Folder{Folder: vpx.RootFolder}
	root.ChildEntity = nil
	for _, d := range all.Datacenters {
		root.ChildEntity = append(root.ChildEntity, b.datacenter(d, root.Self))
	}
	b.add(root)
	return b.list
}

type builder struct{ list []mo.Reference }

func (b *builder) add(object mo.Reference) { b.list = append(b.list, object) }

func ref(kind, id string) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: kind, Value: id}
}

// Kinds of managed objects.
const (
	folderKind    = "Folder"
	clusterKind   = "ClusterComputeResource"
	hostKind      = "HostSystem"
	poolKind      = "ResourcePool"
	networkKind   = "Network"
	datastoreKind = "Datastore"
	machineKind   = "VirtualMachine"
)

func entity(self types.ManagedObjectReference, name string, parent types.ManagedObjectReference) mo.ManagedEntity {
	e := mo.ManagedEntity{Name: name, Parent: &parent, OverallStatus: types.ManagedEntityStatusGreen, ConfigStatus: types.ManagedEntityStatusGreen}
	e.Self = self
	return e
}

func (b *builder) datacenter(d Datacenter, parent types.ManagedObjectReference) types.ManagedObjectReference {
	dc := &simulator.Datacenter{}
	dc.ManagedEntity = entity(ref("Datacenter", d.ID), d.Name, parent)
	machines := b.folder(inventory.Folder(inventory.MachineFolder, d.ID), "vm", dc.Self, "VirtualMachine", folderKind)
	hosts := b.folder(inventory.Folder(inventory.HostFolder, d.ID), "host", dc.Self, "ComputeResource", folderKind)
	datastores := b.folder(inventory.Folder(inventory.DatastoreFolder, d.ID), "datastore", dc.Self, datastoreKind, folderKind)
	networks := b.folder(inventory.Folder(inventory.NetworkFolder, d.ID), "network", dc.Self, networkKind, folderKind)
	for _, n := range d.Networks {
		network := &mo.Network{}
		network.ManagedEntity = entity(ref(networkKind, n.ID), n.Name, networks.Self)
		network.Name = n.Name
		network.Summary = &types.NetworkSummary{Network: &network.Self, Name: n.Name, Accessible: true}
		b.add(network)
		networks.ChildEntity = append(networks.ChildEntity, network.Self)
	}
	for _, s := range d.Datastores {
		datastores.ChildEntity = append(datastores.ChildEntity, b.datastore(s, datastores.Self))
	}
	for _, c := range d.Clusters {
		cluster, inside := b.cluster(c, hosts.Self, networks.ChildEntity, datastores.ChildEntity, machines.Self)
		hosts.ChildEntity = append(hosts.ChildEntity, cluster)
		machines.ChildEntity = append(machines.ChildEntity, inside...)
	}
	dc.VmFolder, dc.HostFolder, dc.DatastoreFolder, dc.NetworkFolder = machines.Self, hosts.Self, datastores.Self, networks.Self
	dc.Network, dc.Datastore = networks.ChildEntity, datastores.ChildEntity
	for _, folder := range []*simulator.Folder{machines, hosts, datastores, networks} {
		b.add(folder)
	}
	b.add(dc)
	return dc.Self
}

func (b *builder) folder(id, name string, parent types.ManagedObjectReference, childTypes ...string) *simulator.Folder {
	f := &simulator.Folder{}
	f.ManagedEntity = entity(ref(folderKind, id), name, parent)
	f.ChildType = childTypes
	return f
}

func (b *builder) datastore(s Datastore, parent types.ManagedObjectReference) types.ManagedObjectReference {
	d := &simulator.Datastore{}
	d.ManagedEntity = entity(ref(datastoreKind, s.ID), s.Name, parent)
	d.Name = s.Name
	d.Summary = types.DatastoreSummary{Datastore: &d.Self, Name: s.Name, Url: "ds:///" + s.ID + "/", Capacity: s.Capacity, FreeSpace: s.Free, Accessible: true, Type: "OTHER", MaintenanceMode: "normal"}
	d.Info = &types.DatastoreInfo{Name: s.Name, Url: d.Summary.Url, FreeSpace: s.Free}
	for _, host := range s.Hosts {
		d.Host = append(d.Host, types.DatastoreHostMount{Key: ref(hostKind, host), MountInfo: types.HostMountInfo{AccessMode: "readWrite"}})
	}
	b.add(d)
	return d.Self
}

func (b *builder) cluster(c Cluster, parent types.ManagedObjectReference, networks, datastores []types.ManagedObjectReference, folder types.ManagedObjectReference) (self types.ManagedObjectReference, machines []types.ManagedObjectReference) {
	cluster := &simulator.ClusterComputeResource{}
	cluster.ManagedEntity = entity(ref(clusterKind, c.ID), c.Name, parent)
	cluster.Network, cluster.Datastore = networks, datastores
	summary := &types.ClusterComputeResourceSummary{UsageSummary: &types.ClusterUsageSummary{}}
	on := true
	cluster.ConfigurationEx = &types.ClusterConfigInfoEx{DrsConfig: types.ClusterDrsConfigInfo{Enabled: &on, DefaultVmBehavior: types.DrsBehaviorFullyAutomated}}
	byHost := map[string][]types.ManagedObjectReference{}
	byPool := map[string][]types.ManagedObjectReference{}
	for _, m := range c.Machines {
		machine := b.machine(m, folder, networks, datastores)
		machines = append(machines, machine)
		byHost[m.Host] = append(byHost[m.Host], machine)
		byPool[m.Pool] = append(byPool[m.Pool], machine)
	}
	for _, h := range c.Hosts {
		cluster.Host = append(cluster.Host, b.host(h, cluster.Self, networks, datastores, byHost[h.ID]))
		summary.NumHosts++
		summary.NumCpuCores += int16(h.CPUs)
		summary.NumCpuThreads += int16(h.CPUs)
		summary.TotalCpu += h.CPUs * h.MHz
		summary.TotalMemory += h.MemoryBytes
		if h.Connected && !h.Maintenance {
			summary.NumEffectiveHosts++
			summary.EffectiveCpu += h.CPUs * h.MHz
			summary.EffectiveMemory += h.MemoryBytes >> 20
		}
	}
	cluster.Summary = summary
	pool := b.pools(c, cluster.Self, byPool)
	cluster.ResourcePool = &pool
	b.add(cluster)
	return cluster.Self, machines
}

func (b *builder) pools(c Cluster, owner types.ManagedObjectReference, machines map[string][]types.ManagedObjectReference) types.ManagedObjectReference {
	root := newPool(Pool{ID: c.RootPool, Name: "Resources", CPULimitMHz: -1, MemoryLimitMiB: -1}, owner, owner, machines[c.RootPool])
	for _, p := range c.Pools {
		pool := newPool(p, root.Self, owner, machines[p.ID])
		b.add(pool)
		root.ResourcePool.ResourcePool = append(root.ResourcePool.ResourcePool, pool.Self)
	}
	b.add(root)
	return root.Self
}

func newPool(p Pool, parent, owner types.ManagedObjectReference, machines []types.ManagedObjectReference) *simulator.ResourcePool {
	pool := &simulator.ResourcePool{}
	pool.ManagedEntity = entity(ref(poolKind, p.ID), p.Name, parent)
	pool.Owner, pool.Vm = owner, machines
	pool.Config = types.ResourceConfigSpec{Entity: &pool.Self, CpuAllocation: allocation(p.CPULimitMHz), MemoryAllocation: allocation(p.MemoryLimitMiB)}
	pool.Summary = &types.ResourcePoolSummary{Name: p.Name, Config: pool.Config, Runtime: types.ResourcePoolRuntimeInfo{OverallStatus: types.ManagedEntityStatusGreen}}
	return pool
}

func allocation(limit int64) types.ResourceAllocationInfo {
	none, yes := int64(0), true
	return types.ResourceAllocationInfo{Reservation: &none, ExpandableReservation: &yes, Limit: &limit, Shares: &types.SharesInfo{Shares: 4000, Level: types.SharesLevelNormal}}
}

func (b *builder) host(h Host, parent types.ManagedObjectReference, networks, datastores, machines []types.ManagedObjectReference) types.ManagedObjectReference {
	host := &simulator.HostSystem{}
	host.ManagedEntity = entity(ref(hostKind, h.ID), h.Name, parent)
	host.Network, host.Datastore, host.Vm = networks, datastores, machines
	host.Runtime = types.HostRuntimeInfo{ConnectionState: types.HostSystemConnectionStateNotResponding, PowerState: types.HostSystemPowerStateUnknown, InMaintenanceMode: h.Maintenance}
	if h.Connected {
		host.Runtime.ConnectionState, host.Runtime.PowerState = types.HostSystemConnectionStateConnected, types.HostSystemPowerStatePoweredOn
	}
	host.Summary = types.HostListSummary{
		Host: &host.Self, OverallStatus: types.ManagedEntityStatusGreen, Runtime: &host.Runtime,
		Hardware:   &types.HostHardwareSummary{Vendor: "Linux", Model: h.Product, MemorySize: h.MemoryBytes, CpuMhz: h.MHz, NumCpuPkgs: 1, NumCpuCores: int16(h.CPUs), NumCpuThreads: int16(h.CPUs)},
		Config:     types.HostConfigSummary{Name: h.Name, Product: &types.AboutInfo{Name: "Pacific", FullName: "Pacific host " + h.Version, Version: h.Version}},
		QuickStats: types.HostListSummaryQuickStats{OverallCpuUsage: h.CPUUsedMHz, OverallMemoryUsage: h.MemoryUsedMiB},
	}
	host.Hardware = &types.HostHardwareInfo{CpuInfo: types.HostCpuInfo{NumCpuCores: int16(h.CPUs), NumCpuThreads: int16(h.CPUs), Hz: int64(h.MHz) * 1e6}, MemorySize: h.MemoryBytes}
	b.add(host)
	return host.Self
}

func (b *builder) machine(m Machine, folder types.ManagedObjectReference, networks, datastores []types.ManagedObjectReference) types.ManagedObjectReference {
	vm := &simulator.VirtualMachine{}
	vm.ManagedEntity = entity(ref(machineKind, m.ID), m.Name, folder)
	host, pool := ref(hostKind, m.Host), ref(poolKind, m.Pool)
	vm.ResourcePool, vm.Network, vm.Datastore = &pool, networks, datastores
	vm.Runtime = types.VirtualMachineRuntimeInfo{Host: &host, ConnectionState: types.VirtualMachineConnectionStateConnected, PowerState: types.VirtualMachinePowerStatePoweredOff}
	if m.Running {
		vm.Runtime.PowerState = types.VirtualMachinePowerStatePoweredOn
	}
	vm.Guest = &types.GuestInfo{IpAddress: m.Address, GuestState: "running"}
	vm.Config = &types.VirtualMachineConfigInfo{
		Name: m.Name, Uuid: m.UUID, InstanceUuid: m.UUID, Annotation: m.Annotation,
		Hardware: types.VirtualHardware{NumCPU: m.CPUs, MemoryMB: m.MemoryMiB},
	}
	vm.Summary = types.VirtualMachineSummary{
		Vm: &vm.Self, Runtime: vm.Runtime, OverallStatus: types.ManagedEntityStatusGreen,
		Guest:      &types.VirtualMachineGuestSummary{IpAddress: m.Address},
		Config:     types.VirtualMachineConfigSummary{Name: m.Name, Uuid: m.UUID, InstanceUuid: m.UUID, NumCpu: m.CPUs, MemorySizeMB: m.MemoryMiB, Annotation: m.Annotation},
		QuickStats: types.VirtualMachineQuickStats{OverallCpuUsage: m.CPUUsedMHz, GuestMemoryUsage: m.MemoryUsedMiB, HostMemoryUsage: m.MemoryUsedMiB},
	}
	b.add(vm)
	return vm.Self
}

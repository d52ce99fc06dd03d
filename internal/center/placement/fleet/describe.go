package fleet

import (
	"cmp"
	"slices"

	centerv1 "pacific/api/center/v1"
	hostv1 "pacific/api/host/v1"
	"pacific/internal/center/hosts"
	"pacific/internal/center/placement"
)

// Room that a host has by its record and its last heartbeat, which may be nil. Nobody is asked for it, so it may be looked at often;
// reservations are not in it.
func Room(h hosts.Host, now *centerv1.Facts) placement.Host {
	connection, _ := h.Connection()
	return placement.Host{
		ID: h.ID, Name: h.Name, State: placement.State(connection), Maintenance: h.Maintenance || h.Removing, Labels: h.Labels,
		CPUs:     int(h.Facts.CPUs),
		Capacity: placement.Resources{CPUMHz: int64(h.Facts.CPUs) * int64(h.Facts.CPUMHz), MemoryBytes: int64(h.Facts.MemoryBytes)},
		Used:     placement.Resources{MemoryBytes: int64(now.GetMemoryUsedBytes())},
	}
}

// describe a host and the machines on it: by what its hostd said, or else by the records.
func describe(h hosts.Host, seen sight, known []placement.Machine) (placement.Host, []placement.Machine) {
	out := Room(h, nil)
	machines := onHost(h.ID, seen.machines, known)
	if seen.host == nil {
		return out, machines
	}
	live := seen.host
	out.CPUs = int(live.Cpus)
	out.Capacity = placement.Resources{CPUMHz: int64(live.Cpus) * int64(cmp.Or(uint64(live.MhzPerCore), h.Facts.CPUMHz)), MemoryBytes: int64(live.MemoryBytes)}
	out.Used = placement.Resources{CPUMHz: seen.cpuMHz, MemoryBytes: int64(live.MemoryUsedBytes)}
	out.Reserved = placement.Resources{CPUMHz: int64(live.CpuReservedMhz), MemoryBytes: int64(live.MemoryReservedBytes)}
	out.Datastores = []placement.Datastore{{ID: Datastore(h.ID), FreeBytes: int64(live.StorageFreeBytes)}}
	// What hostd has reserved for machines that are listed by themselves would count twice.
	for _, m := range seen.machines {
		if isMachine(m) && m.Phase == hostv1.VirtualMachine_RUNNING {
			out.Reserved.MemoryBytes = max(0, out.Reserved.MemoryBytes-reservation(m.Spec))
		}
	}
	return out, machines
}

// Datastore is how placement calls the local datastore of a host.
func Datastore(host string) string { return host + "-local" }

// onHost are the machines that hostd has, with the groups of their records, and records of machines that it has not, or not yet.
func onHost(host string, found []*hostv1.VirtualMachine, known []placement.Machine) []placement.Machine {
	var list []placement.Machine
	for _, m := range known {
		if m.Host == host {
			list = append(list, m)
		}
	}
	for _, m := range found {
		if !isMachine(m) || slices.ContainsFunc(list, func(k placement.Machine) bool { return k.Name == m.Spec.Name || k.ID == m.Spec.Id }) {
			continue
		}
		one := placement.Machine{ID: m.Spec.Id, Name: cmp.Or(m.Spec.Name, m.Spec.Id), Host: host, CPUs: int(m.Spec.Vcpus), MemoryBytes: int64(m.Spec.MemoryBytes)}
		if m.Phase == hostv1.VirtualMachine_RUNNING {
			one.Reservation.MemoryBytes = reservation(m.Spec)
		}
		list = append(list, one)
	}
	return list
}

// isMachine tells a virtual machine from a pod's, which the Supervisor places.
func isMachine(m *hostv1.VirtualMachine) bool { return m.GetSpec().GetGuest() != nil }

func reservation(spec *hostv1.VirtualMachineSpec) int64 {
	return int64(cmp.Or(spec.MemoryReservationBytes, spec.MemoryBytes))
}

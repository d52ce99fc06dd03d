package inventory

import "strings"

// Network that hosts and their machines share, and that Pacific brings with every datacenter.
const (
	ManagementNetwork     = "network-1"
	ManagementNetworkName = "management"
)

// RootFolder holds the datacenters.
const RootFolder = "group-d1"

// Kinds of the folders that every datacenter has.
const (
	HostFolder      = "h"
	MachineFolder   = "v"
	DatastoreFolder = "s"
	NetworkFolder   = "n"
)

// Folder of a datacenter: that of datacenter-1 for machines is group-v1. Namespaces' folders have numbers from 100 on.
func Folder(kind, datacenter string) string {
	return "group-" + kind + strings.TrimPrefix(datacenter, "datacenter-")
}

// RootPool is the resource pool of all of a cluster.
func RootPool(cluster string) string { return "resgroup-" + cluster }

// Datastore of a host: its id, by the host's, and its name, by the host's name.
func Datastore(host, hostName string) (id, name string) {
	return "datastore-" + host, hostName + "-local"
}

// Package layout says where the parts of an instance are: its files, names and addresses. Everything derives from the
// home directory and the id.
package layout

import (
	"fmt"
	"net/netip"
	"path/filepath"
)

// Ports of the daemons.
const (
	APIServerPort = 6443
	HostdPort     = 7443
	HostdMetrics  = 7444
	SphereletPort = 10250
	RegistryPort  = 5000
)

// Addresses inside every instance. Routing to them happens inside the namespaces only, so instances may share them.
const (
	PodCIDR       = "10.244.0.0/16"
	ServiceCIDR   = "10.96.0.0/16"
	APIServiceIP  = "10.96.0.1"
	ClusterDNS    = "10.96.0.10"
	ClusterDomain = "cluster.local"
)

// RunRoot holds the run directories of all instances.
const RunRoot = "/run/pacific"

// ManagementBridge is, in each host's namespace, the bridge of the management network.
const ManagementBridge = "mgmt0"

// Cluster of all hosts, as center calls it.
const Cluster = "domain-c1"

// Layout of one instance.
type Layout struct {
	ID   int
	Home string
}

// Pair is a certificate and its key.
type Pair struct{ Cert, Key string }

// HostName is the name of the nth host, counted from 1, also as a Kubernetes node.
func HostName(n int) string { return fmt.Sprintf("host-%d", n) }

// HostNames of the first count hosts.
func HostNames(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = HostName(i + 1)
	}
	return names
}

// Bridge is the virtual management switch.
func (l Layout) Bridge() string { return fmt.Sprintf("pac%d", l.ID) }

// Namespace of a machine (a host, [Center] or a control plane member) as ip netns shows it.
func (l Layout) Namespace(machine string) string { return fmt.Sprintf("pacific-%d-%s", l.ID, machine) }

// Table is the nftables table in the root namespace.
func (l Layout) Table() string { return fmt.Sprintf("pacific-%d", l.ID) }

// Cgroup of the instance below the root of every hierarchy.
func (l Layout) Cgroup() string { return fmt.Sprintf("/pacific-%d", l.ID) }

// HostCgroup is the parent of the cgroups of a host's machines.
func (l Layout) HostCgroup(host string) string { return l.Cgroup() + "/" + host }

func (l Layout) address(last byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(l.ID), last})
}

// Subnet of the management network.
func (l Layout) Subnet() netip.Prefix { return netip.PrefixFrom(l.address(0), 24) }

// Gateway is the bridge's address, where the registry listens too.
func (l Layout) Gateway() netip.Addr { return l.address(1) }

// SupervisorAddress is the one that a healthy member of the control plane holds; the members' own follow it.
func (l Layout) SupervisorAddress() netip.Addr { return l.address(2) }

// MemberAddress is that of the nth member of the control plane, counted from 1, as long as none was replaced.
func (l Layout) MemberAddress(n int) netip.Addr { return l.address(byte(2 + n)) }

// FirstMember is the daemon of the first control plane member that runs as a process.
const FirstMember = "host-1-control-plane-1"

// HostAddress is the nth host's, counted from 1.
func (l Layout) HostAddress(n int) netip.Addr { return l.address(byte(10 + n)) }

// Server is the URL of the Kubernetes API.
func (l Layout) Server() string {
	return "https://" + netip.AddrPortFrom(l.SupervisorAddress(), APIServerPort).String()
}

// Registry is host:port of the instance's registry.
func (l Layout) Registry() string { return netip.AddrPortFrom(l.Gateway(), RegistryPort).String() }

// Hostd is host:port of the nth host's hostd.
func (l Layout) Hostd(n int) string { return netip.AddrPortFrom(l.HostAddress(n), HostdPort).String() }

// RunDir holds what dies with the machine: sockets, records of processes.
func (l Layout) RunDir() string { return filepath.Join(RunRoot, fmt.Sprint(l.ID)) }

// HostRunDir is hostd's run directory.
func (l Layout) HostRunDir(host string) string { return filepath.Join(l.RunDir(), host) }

// RecordDir holds the records of daemons' processes.
func (l Layout) RecordDir() string { return filepath.Join(l.RunDir(), "daemons") }

// LogDir holds the logs of all daemons.
func (l Layout) LogDir() string { return filepath.Join(l.Home, "log") }

// Log of a daemon.
func (l Layout) Log(daemon string) string { return filepath.Join(l.LogDir(), daemon+".log") }

// Kubeconfig is the administrator's.
func (l Layout) Kubeconfig() string { return filepath.Join(l.Home, "kubeconfig") }

// RegistryDir is the registry's data directory.
func (l Layout) RegistryDir() string { return filepath.Join(l.Home, "registry") }

// RegistryConfig is a directory of registries' authorities, <host:port>/ca.crt.
func (l Layout) RegistryConfig() string { return filepath.Join(l.Home, "registry-config") }

// HostDir is the directory of a host: its agent's files, its daemons' state.
func (l Layout) HostDir(host string) string { return filepath.Join(l.Home, "hosts", host) }

func (l Layout) pkiDir() string { return filepath.Join(l.Home, "pki") }

func (l Layout) pair(name string) Pair {
	base := filepath.Join(l.pkiDir(), name)
	return Pair{Cert: base + ".crt", Key: base + ".key"}
}

// HostCA signs certificates of hostd and its clients.
func (l Layout) HostCA() Pair { return l.pair("host-ca") }

// SupervisorCA is the certificate of the authority that signs everything of Kubernetes. Center has its key.
func (l Layout) SupervisorCA() string { return filepath.Join(l.pkiDir(), "supervisor-ca.crt") }

// RegistryCA is the certificate by which clients verify the registry.
func (l Layout) RegistryCA() string { return l.HostCA().Cert }

// HostdAdmin is the administrator's client certificate for every hostd.
func (l Layout) HostdAdmin() Pair { return l.pair("hostd-client-admin") }

// HostdMetrics is the client certificate of a Prometheus that reads every hostd's metrics.
func (l Layout) HostdMetrics() Pair { return l.pair("hostd-client-metrics-reader") }

// Admin is the Kubernetes administrator's client certificate.
func (l Layout) Admin() Pair { return l.pair("kubernetes-admin") }

// RegistryServing is the registry's serving certificate.
func (l Layout) RegistryServing() Pair { return l.pair("registry") }

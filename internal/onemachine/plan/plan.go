// Package plan decides what an instance consists of: namespaces, wires, addresses, daemons. It only computes; packages
// network and keeper bring the machine there.
package plan

import (
	"net/netip"
	"path/filepath"
	"strconv"

	"pacific/internal/hostagent"
	"pacific/internal/keeper"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/wire"
)

// Plan of an instance.
type Plan struct {
	Network Network
	Cgroup  string
	Daemons []Daemon // in start order
}

// Network of an instance: a bridge in the root namespace, a namespace a machine.
type Network struct {
	Bridge   string
	Gateway  netip.Prefix // the bridge's address
	Table    string       // nftables table that masquerades Subnet to the outside
	Subnet   netip.Prefix
	Machines []Machine
}

// Machine is one of the instance: a namespace with a wire to the management switch.
type Machine struct {
	Name string
	wire.Machine
}

// Daemon is a process that the keeper keeps running.
type Daemon = keeper.Daemon

// Of computes the plan of an instance.
func Of(in instance.Instance) Plan {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	p := planner{Instance: in, Layout: l}
	plan := Plan{Cgroup: l.Cgroup(), Network: p.network()}
	plan.Daemons = append(plan.Daemons, p.registry(), p.center())
	for n := 1; n <= in.Hosts; n++ {
		plan.Daemons = append(plan.Daemons, p.agent(layout.HostName(n)))
	}
	return plan
}

// Kinds of daemons that a host's agent keeps; their names are the host's with these behind.
var hostDaemons = []string{"hostd", "spherelet", "dataplane"}

// DaemonNames of an instance: those of the plan, and those that the hosts' agents keep.
func DaemonNames(in instance.Instance) []string {
	var names []string
	l := layout.Layout{ID: in.ID, Home: in.Home}
	for _, d := range Of(in).Daemons {
		names = append(names, d.Name)
	}
	for _, host := range layout.HostNames(in.Hosts) {
		for _, kind := range hostDaemons {
			names = append(names, host+"-"+kind)
		}
		for _, member := range hostagent.Dir(l.HostDir(host)).Members() {
			names = append(names, host+"-"+member)
		}
	}
	return names
}

// Host is what a host of the instance is told when it joins center.
func Host(in instance.Instance, n int) hostagent.Config {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	host := layout.HostName(n)
	return hostagent.Config{
		Name: host, Address: l.HostAddress(n).String(), Center: l.CenterAgents(),
		BinDir: in.Options.BinDir, RunDir: l.HostRunDir(host), RecordDir: l.RecordDir(), LogDir: l.LogDir(), RegistryConfig: l.RegistryConfig(),
		Prefix: host + "-", CgroupParent: l.HostCgroup(host), Interface: layout.ManagementBridge, ManagementBridge: layout.ManagementBridge, NamespacePrefix: l.Namespace(""),
		Accelerator: in.Options.Accelerator, CPUs: in.Options.HostCPUs, MemoryBytes: in.Options.HostMemory,
	}
}

type planner struct {
	instance.Instance
	layout.Layout
}

func (p planner) network() Network {
	net := Network{
		Bridge:  p.Bridge(),
		Gateway: onSubnet(p.Gateway()),
		Table:   p.Table(),
		Subnet:  p.Layout.Subnet(),
	}
	net.Machines = append(net.Machines, p.machine(layout.Center, "c", p.CenterAddress()))
	for n := 1; n <= p.Hosts; n++ {
		host := p.machine(layout.HostName(n), strconv.Itoa(n), p.HostAddress(n))
		// Control plane members share the host's wire.
		host.Machine.Bridge = layout.ManagementBridge
		net.Machines = append(net.Machines, host)
	}
	return net
}

func (p planner) machine(name, port string, address netip.Addr) Machine {
	return Machine{name, wire.Machine{Namespace: p.Namespace(name), Port: p.Bridge() + "-" + port, Address: onSubnet(address)}}
}

func onSubnet(address netip.Addr) netip.Prefix { return netip.PrefixFrom(address, 24) }

func (p planner) daemon(name, namespace, program string, args ...string) Daemon {
	return Daemon{Name: name, Namespace: namespace, Program: filepath.Join(p.Options.BinDir, program), Args: args, Log: p.Log(name)}
}

func (p planner) registry() Daemon {
	tls := p.RegistryServing()
	return p.daemon("registry", "", "registry",
		"--listen="+p.Registry(),
		"--data-dir="+p.RegistryDir(),
		"--tls-cert="+tls.Cert, "--tls-key="+tls.Key)
}

func (p planner) center() Daemon {
	hostCA := p.HostCA()
	return p.daemon(layout.Center, p.Namespace(layout.Center), "center",
		"--data-dir="+p.CenterDir(),
		"--address="+p.CenterAddress().String(),
		"--administrator-password-file="+p.CenterPasswordFile(),
		"--host-ca-cert="+hostCA.Cert, "--host-ca-key="+hostCA.Key,
		"--registry-config="+p.RegistryConfig())
}

// agent of a host, which keeps the host's daemons as center wants them.
func (p planner) agent(host string) Daemon {
	return p.daemon(host+"-agent", p.Namespace(host), "pacific", "host", "agent", "--wait", "--dir="+p.HostDir(host))
}

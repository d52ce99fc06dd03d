// Package plan decides what an instance consists of: namespaces, wires, addresses, daemons. It only computes; packages
// network and keeper bring the machine there.
package plan

import (
	"net/netip"
	"path/filepath"
	"strconv"

	"pacific/internal/keeper"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
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

// Machine is a namespace with one interface, eth0.
type Machine struct {
	Name      string
	Namespace string
	Port      string // the other end of eth0, on the bridge
	Address   netip.Prefix
}

// Daemon is a process that the keeper keeps running.
type Daemon = keeper.Daemon

// Of computes the plan of an instance.
func Of(in instance.Instance) Plan {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	p := planner{Instance: in, Layout: l}
	plan := Plan{Cgroup: l.Cgroup(), Network: p.network()}
	plan.Daemons = append(plan.Daemons, p.registry(), p.supervisor())
	for n := 1; n <= in.Hosts; n++ {
		plan.Daemons = append(plan.Daemons, p.hostd(n))
	}
	plan.Daemons = append(plan.Daemons, p.dataplane(layout.Supervisor, l.SupervisorAddress(), "--control-plane"))
	for n := 1; n <= in.Hosts; n++ {
		plan.Daemons = append(plan.Daemons, p.spherelet(n), p.dataplane(layout.HostName(n), l.HostAddress(n)))
	}
	return plan
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
	net.Machines = append(net.Machines, p.machine(layout.Supervisor, "s", p.SupervisorAddress()))
	for n := 1; n <= p.Hosts; n++ {
		net.Machines = append(net.Machines, p.machine(layout.HostName(n), strconv.Itoa(n), p.HostAddress(n)))
	}
	return net
}

func (p planner) machine(name, port string, address netip.Addr) Machine {
	return Machine{Name: name, Namespace: p.Namespace(name), Port: p.Bridge() + "-" + port, Address: onSubnet(address)}
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

func (p planner) supervisor() Daemon {
	client := p.HostdImages()
	return p.daemon(layout.Supervisor, p.Namespace(layout.Supervisor), "supervisor",
		"--data-dir="+p.SupervisorDir(),
		"--advertise-address="+p.SupervisorAddress().String(),
		"--service-cidr="+layout.ServiceCIDR,
		"--pod-cidr="+layout.PodCIDR,
		"--host-ca="+p.HostCA().Cert, "--host-cert="+client.Cert, "--host-key="+client.Key,
		"--registry-config="+p.RegistryConfig())
}

func (p planner) hostd(n int) Daemon {
	host, tls := layout.HostName(n), p.HostdServing(layout.HostName(n))
	return p.daemon(host+"-hostd", p.Namespace(host), "hostd",
		"--name="+host,
		"--listen="+p.Hostd(n),
		"--metrics-listen="+netip.AddrPortFrom(p.HostAddress(n), layout.HostdMetrics).String(),
		"--state-dir="+filepath.Join(p.HostDir(host), "hostd"),
		"--run-dir="+p.HostRunDir(host),
		"--guest-dir="+filepath.Join(p.Options.BinDir, "guest"),
		"--qemu-plugin="+filepath.Join(p.Options.BinDir, "tcgtrim.so"),
		"--tls-cert="+tls.Cert, "--tls-key="+tls.Key, "--client-ca="+p.HostCA().Cert,
		"--accelerator="+p.Options.Accelerator,
		"--cpus="+strconv.Itoa(p.Options.HostCPUs),
		"--memory="+strconv.FormatInt(p.Options.HostMemory, 10),
		"--cgroup-parent="+p.HostCgroup(host),
		"--registry-config="+p.RegistryConfig())
}

func (p planner) spherelet(n int) Daemon {
	host := layout.HostName(n)
	tls, client := p.SphereletServing(host), p.HostdSpherelet(host)
	d := p.daemon(host+"-spherelet", p.Namespace(host), "spherelet",
		"--node-name="+host,
		"--node-ip="+p.HostAddress(n).String(),
		"--kubeconfig="+p.NodeKubeconfig(host),
		"--state-dir="+filepath.Join(p.HostDir(host), "spherelet"),
		"--listen="+netip.AddrPortFrom(p.HostAddress(n), layout.SphereletPort).String(),
		"--tls-cert="+tls.Cert, "--tls-key="+tls.Key, "--client-ca="+p.SupervisorCA().Cert,
		"--hostd="+p.Hostd(n),
		"--hostd-ca="+p.HostCA().Cert, "--hostd-cert="+client.Cert, "--hostd-key="+client.Key,
		"--cluster-dns="+layout.ClusterDNS,
		"--cluster-domain="+layout.ClusterDomain)
	d.AfterSupervisor = true
	return d
}

func (p planner) dataplane(machine string, address netip.Addr, extra ...string) Daemon {
	args := append([]string{
		"--node-name=" + machine,
		"--node-ip=" + address.String(),
		"--kubeconfig=" + p.DataplaneKubeconfig(machine),
		"--interface=eth0",
	}, extra...)
	d := p.daemon(machine+"-dataplane", p.Namespace(machine), "dataplane", args...)
	d.AfterSupervisor = true
	return d
}

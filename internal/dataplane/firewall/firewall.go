// Package firewall writes the nftables table "inet pacific": what pods may send, and under which address the outside
// sees them. The table is rendered whole from the ports of the host, in one transaction, so that it is never half old.
//
//	from-port     hook prerouting, before conntrack: packets of a port must have that pod's hardware address and address
//	host-port     hooks prerouting and output, for what is sent to the host itself: ports of the host that lead to pods
//	postrouting   hook postrouting: pods are masqueraded towards everything that is not reached through the overlay or a port,
//	              those on the host's network towards that too
//
// Services are not here: kube-proxy's library has the tables "ip kube-proxy" and "ip6 kube-proxy".
package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"sigs.k8s.io/knftables"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/dataplane/plan"
)

const table = "pacific"

// Rules are what the table is made from.
type Rules struct {
	// Host is the host's address, which pods on its network have towards others.
	Host netip.Addr
	// Prefixes of the pods of this host.
	Prefixes []netip.Prefix
	Ports    []plan.Port
}

// Equal tells whether both make the same table.
func (r Rules) Equal(other Rules) bool {
	return r.Host == other.Host && slices.Equal(r.Prefixes, other.Prefixes) && slices.EqualFunc(r.Ports, other.Ports, func(a, b plan.Port) bool {
		return a.Interface == b.Interface && a.MAC == b.MAC && slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.HostPorts, b.HostPorts) &&
			a.HostNetwork == b.HostNetwork
	})
}

// Firewall is the host's table.
type Firewall struct {
	nft knftables.Interface
}

// New checks that nftables works here.
func New() (*Firewall, error) {
	nft, err := knftables.New(knftables.InetFamily, table)
	if err != nil {
		return nil, fmt.Errorf("nftables does not work here (is the package nftables installed, does the kernel have NF_TABLES?): %w", err)
	}
	return &Firewall{nft}, nil
}

// Apply replaces the content of the table.
func (f *Firewall) Apply(ctx context.Context, rules Rules) error {
	tx := f.nft.NewTransaction()
	render(tx, rules)
	if err := f.nft.Run(ctx, tx); err != nil {
		return fmt.Errorf("write nftables table inet %s: %w", table, err)
	}
	return nil
}

func render(tx *knftables.Transaction, rules Rules) {
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Pacific: pod ports")})
	renderSets(tx, rules)
	renderFromPort(tx)
	renderHostPorts(tx, rules)
	renderPostrouting(tx, rules.Host)
}

func renderSets(tx *knftables.Transaction, rules Rules) {
	for _, set := range []*knftables.Set{
		{Name: "ports4", Type: "ifname . ether_addr . ipv4_addr", Comment: knftables.PtrTo("who may send from which address")},
		{Name: "ports6", Type: "ifname . ether_addr . ipv6_addr"},
		{Name: "pods4", Type: "ipv4_addr", Flags: []knftables.SetFlag{knftables.IntervalFlag}, Comment: knftables.PtrTo("addresses of this host's pods")},
		{Name: "pods6", Type: "ipv6_addr", Flags: []knftables.SetFlag{knftables.IntervalFlag}},
		{Name: "host-network4", Type: "ipv4_addr", Comment: knftables.PtrTo("pods that have the host's address towards others")},
		{Name: "host-network6", Type: "ipv6_addr"},
	} {
		tx.Add(set)
		tx.Flush(set)
	}
	for _, port := range rules.Ports {
		for _, addr := range port.Addresses {
			tx.Add(&knftables.Element{Set: "ports" + version(addr), Key: []string{port.Interface, port.MAC, addr.String()}})
			if port.HostNetwork {
				tx.Add(&knftables.Element{Set: "host-network" + version(addr), Key: []string{addr.String()}})
			}
		}
	}
	for _, prefix := range rules.Prefixes {
		tx.Add(&knftables.Element{Set: "pods" + version(prefix.Addr()), Key: []string{prefix.String()}})
	}
}

// renderFromPort lets nothing out of a port but what comes from its pod. A port that is not known, since its pod has no
// address yet or no more, sends nothing. Taps of other software are told apart by their hardware address.
func renderFromPort(tx *knftables.Transaction) {
	tx.Add(&knftables.Chain{Name: "from-port"})
	tx.Flush(&knftables.Chain{Name: "from-port"})
	tx.Add(&knftables.Rule{Chain: "from-port", Rule: "iifname . ether saddr . ip saddr @ports4 return"})
	tx.Add(&knftables.Rule{Chain: "from-port", Rule: "iifname . ether saddr . ip6 saddr @ports6 return"})
	tx.Add(&knftables.Rule{Chain: "from-port", Rule: "counter drop", Comment: knftables.PtrTo("the source is not the pod's")})

	baseChain(tx, "prerouting", knftables.FilterType, knftables.PreroutingHook, knftables.RawPriority)
	tx.Add(&knftables.Rule{Chain: "prerouting", Rule: knftables.Concat(
		"iifname", plan.TapPrefix+"*", "ether daddr", hostv1.GatewayMAC, "jump from-port",
	)})
}

func renderPostrouting(tx *knftables.Transaction, host netip.Addr) {
	baseChain(tx, "postrouting", knftables.NATType, knftables.PostroutingHook, knftables.SNATPriority)
	for _, f := range []struct {
		family, version string
		hosts           bool // it is the family of the host's address
	}{{"ip", "4", host.Is4()}, {"ip6", "6", host.Is6()}} {
		source := "masquerade"
		if f.hosts {
			// The interfaces of ports have no address, so the kernel could choose any of the host's.
			source = knftables.Concat("snat", f.family, "to", host.String())
		}
		tx.Add(&knftables.Rule{Chain: "postrouting", Rule: knftables.Concat(f.family, "saddr @host-network"+f.version, source, "fully-random")})
	}
	for _, family := range []string{"ip saddr @pods4", "ip6 saddr @pods6"} {
		tx.Add(&knftables.Rule{Chain: "postrouting", Rule: knftables.Concat(
			family, "oifname !=", plan.OverlayInterface, "oifname !=", plan.TapPrefix+"*", "masquerade fully-random",
		)})
	}
}

func baseChain(tx *knftables.Transaction, name string, kind knftables.BaseChainType, hook knftables.BaseChainHook, priority knftables.BaseChainPriority) {
	chain := &knftables.Chain{Name: name, Type: &kind, Hook: &hook, Priority: &priority}
	tx.Add(chain)
	tx.Flush(chain)
}

func version(addr netip.Addr) string {
	if addr.Is4() {
		return "4"
	}
	return "6"
}

package kernel

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pacific/internal/dataplane/plan"
)

// Apply makes the changes. It goes on after a failure, so that one bad entry does not keep the others out, and returns
// all errors.
func Apply(links Links, changes plan.Changes) error {
	var errs []error
	note := func(verb string, entry fmt.Stringer, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", verb, entry, err))
		}
	}
	set, remove := changes.Set, changes.Remove
	// Neighbours and forwarding entries first: a route without them would make the kernel look for what nobody answers.
	for entry := range set.Forwardings {
		note("set", entry, netlink.NeighSet(forwarding(links, entry)))
	}
	for entry := range set.Neighbours {
		note("set", entry, netlink.NeighSet(neighbour(links, entry)))
	}
	for entry := range set.Routes {
		note("set", entry, netlink.RouteReplace(route(links, entry)))
	}
	for entry := range set.Rules {
		note("set", entry, exists(netlink.RuleAdd(rule(entry))))
	}
	for entry := range remove.Rules {
		note("remove", entry, gone(netlink.RuleDel(rule(entry))))
	}
	for entry := range remove.Routes {
		note("remove", entry, gone(netlink.RouteDel(route(links, entry))))
	}
	for entry := range remove.Neighbours {
		note("remove", entry, gone(netlink.NeighDel(neighbour(links, entry))))
	}
	for entry := range remove.Forwardings {
		note("remove", entry, gone(netlink.NeighDel(forwarding(links, entry))))
	}
	return errors.Join(errs...)
}

func exists(err error) error {
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func rule(r plan.Rule) *netlink.Rule {
	rule := netlink.NewRule()
	rule.Family = familyOf(r.From.Addr())
	rule.Src = ipNet(r.From)
	rule.Table = r.Table
	rule.Priority = rulePriority
	rule.Protocol = Protocol
	return rule
}

func route(links Links, r plan.Route) *netlink.Route {
	route := &netlink.Route{
		LinkIndex: links.Index(r.Interface),
		Dst:       ipNet(r.Destination),
		Gw:        ipOf(r.Gateway),
		Src:       ipOf(r.Source),
		Table:     r.Table,
		Protocol:  Protocol,
		Family:    familyOf(r.Destination.Addr()),
	}
	if r.Gateway.IsValid() {
		route.Flags = int(netlink.FLAG_ONLINK)
	} else {
		route.Scope = netlink.SCOPE_LINK
	}
	return route
}

func neighbour(links Links, n plan.Neighbour) *netlink.Neigh {
	mac, _ := net.ParseMAC(n.MAC)
	return &netlink.Neigh{
		LinkIndex:    links.Index(n.Interface),
		Family:       familyOf(n.Address),
		State:        netlink.NUD_PERMANENT,
		IP:           ipOf(n.Address),
		HardwareAddr: mac,
	}
}

func forwarding(links Links, f plan.Forwarding) *netlink.Neigh {
	mac, _ := net.ParseMAC(f.MAC)
	return &netlink.Neigh{
		LinkIndex:    links.Index(f.Interface),
		Family:       unix.AF_BRIDGE,
		State:        netlink.NUD_PERMANENT,
		Flags:        netlink.NTF_SELF,
		IP:           ipOf(f.Host),
		HardwareAddr: mac,
	}
}

package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pacific/internal/dataplane/plan"
)

// Read returns what the kernel holds of the dataplane's.
func Read(links Links) (plan.State, error) {
	state := plan.NewState()
	for _, family := range families {
		if err := readRules(state, family); err != nil {
			return state, err
		}
		if err := readRoutes(state, links, family); err != nil {
			return state, err
		}
		if err := readNeighbours(state, links, family); err != nil {
			return state, err
		}
	}
	return state, readForwardings(state, links)
}

func readRules(state plan.State, family int) error {
	rules, err := netlink.RuleList(family)
	if err = complete(err); err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	for _, rule := range rules {
		if rule.Protocol == Protocol {
			state.Rules[plan.Rule{From: prefixOf(rule.Src), Table: rule.Table}] = true
		}
	}
	return nil
}

func readRoutes(state plan.State, links Links, family int) error {
	filter := &netlink.Route{Protocol: Protocol, Table: unix.RT_TABLE_UNSPEC}
	routes, err := netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	if err = complete(err); err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	for _, route := range routes {
		table := route.Table
		if table == unix.RT_TABLE_MAIN {
			table = 0
		}
		state.Routes[plan.Route{
			Table:       table,
			Destination: prefixOf(route.Dst),
			Gateway:     addrOf(route.Gw),
			Interface:   links.names[route.LinkIndex],
			Source:      addrOf(route.Src),
		}] = true
	}
	return nil
}

func readNeighbours(state plan.State, links Links, family int) error {
	neighbours, err := netlink.NeighList(0, family)
	if err = complete(err); err != nil {
		return fmt.Errorf("list neighbours: %w", err)
	}
	for _, neighbour := range neighbours {
		name := links.names[neighbour.LinkIndex]
		if neighbour.State&netlink.NUD_PERMANENT != 0 && ours(name) {
			state.Neighbours[plan.Neighbour{
				Interface: name, Address: addrOf(neighbour.IP), MAC: neighbour.HardwareAddr.String(),
			}] = true
		}
	}
	return nil
}

func readForwardings(state plan.State, links Links) error {
	index := links.Index(plan.OverlayInterface)
	if index == 0 {
		return nil
	}
	entries, err := netlink.NeighList(index, unix.AF_BRIDGE)
	if err = complete(err); err != nil {
		return fmt.Errorf("list forwarding entries of %s: %w", plan.OverlayInterface, err)
	}
	for _, entry := range entries {
		state.Forwardings[plan.Forwarding{
			Interface: plan.OverlayInterface, MAC: entry.HardwareAddr.String(), Host: addrOf(entry.IP),
		}] = true
	}
	return nil
}

// ours tells whether all permanent neighbour entries of the interface are the dataplane's.
func ours(name string) bool {
	return name == plan.OverlayInterface || plan.IsPort(name)
}

// complete drops the error of a list that changed while it was dumped and may lack entries. What is missing is set again,
// which does no harm, and what should have been removed is seen at the next look, which the change itself brings.
func complete(err error) error {
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

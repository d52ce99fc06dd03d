package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/dataplane/plan"
	"pacific/internal/dump"
)

// RemoveAll takes the dataplane's and hostd's network objects off a host that is none any more: the overlay device, taps,
// routes and rules.
func RemoveAll() error {
	links, err := ReadLinks()
	if err != nil {
		return err
	}
	var errs []error
	for name, link := range links.byName {
		if name != plan.OverlayInterface && !(plan.IsPort(name) && link.Attrs().HardwareAddr.String() == hostv1.GatewayMAC) {
			continue
		}
		if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("delete interface %s: %w", name, err))
		}
	}
	for _, family := range families {
		errs = append(errs, removeRules(family), removeRoutes(family))
	}
	return errors.Join(errs...)
}

func removeRules(family int) error {
	rules, err := dump.Whole(func() ([]netlink.Rule, error) { return netlink.RuleList(family) })
	if err != nil {
		return fmt.Errorf("list rules: %w", err)
	}
	var errs []error
	for _, rule := range rules {
		if rule.Protocol == Protocol {
			errs = append(errs, gone(netlink.RuleDel(&rule)))
		}
	}
	return errors.Join(errs...)
}

func removeRoutes(family int) error {
	filter := &netlink.Route{Protocol: Protocol, Table: unix.RT_TABLE_UNSPEC}
	routes, err := dump.Whole(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(family, filter, netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	var errs []error
	for _, route := range routes {
		errs = append(errs, gone(netlink.RouteDel(&route)))
	}
	return errors.Join(errs...)
}

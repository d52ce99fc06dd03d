// Package network brings the machine's namespaces, links, addresses and masquerading to what a plan says, and removes
// them. Everything is idempotent: what is there is kept, what is half there is completed.
package network

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"pacific/internal/onemachine/plan"
	"pacific/internal/wire"
)

// Apply makes the network as planned.
func Apply(ctx context.Context, n plan.Network) error {
	if err := ensureBridge(n); err != nil {
		return fmt.Errorf("bridge %s: %w", n.Bridge, err)
	}
	for _, m := range n.Machines {
		if err := wire.EnsureMachine(m.Machine, n.Bridge, n.Gateway.Addr()); err != nil {
			return err
		}
	}
	if err := masquerade(ctx, n); err != nil {
		return fmt.Errorf("masquerade %s to the outside: %w", n.Subnet, err)
	}
	return enableForwarding()
}

func ensureBridge(n plan.Network) error {
	link, err := netlink.LinkByName(n.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: wire.Attrs(n.Bridge)}); err != nil {
			return err
		}
		link, err = netlink.LinkByName(n.Bridge)
	}
	if err != nil {
		return err
	}
	address := &netlink.Addr{IPNet: wire.IPNet(n.Gateway.Addr().AsSlice(), n.Gateway.Bits())}
	if err := netlink.AddrReplace(link, address); err != nil {
		return fmt.Errorf("address %s: %w", n.Gateway, err)
	}
	return netlink.LinkSetUp(link)
}

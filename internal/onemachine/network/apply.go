// Package network brings the machine's namespaces, links, addresses and masquerading to what a plan says, and removes
// them. Everything is idempotent: what is there is kept, what is half there is completed.
package network

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"pacific/internal/onemachine/plan"
)

// Apply makes the network as planned.
func Apply(ctx context.Context, n plan.Network) error {
	bridge, err := ensureBridge(n)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", n.Bridge, err)
	}
	for _, m := range n.Machines {
		if err := ensureMachine(m, bridge, n.Gateway.Addr().AsSlice()); err != nil {
			return fmt.Errorf("namespace %s: %w", m.Namespace, err)
		}
	}
	if err := masquerade(ctx, n); err != nil {
		return fmt.Errorf("masquerade %s to the outside: %w", n.Subnet, err)
	}
	return enableForwarding()
}

func ensureBridge(n plan.Network) (netlink.Link, error) {
	link, err := netlink.LinkByName(n.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs(n.Bridge)}); err != nil {
			return nil, err
		}
		link, err = netlink.LinkByName(n.Bridge)
	}
	if err != nil {
		return nil, err
	}
	address := &netlink.Addr{IPNet: ipNet(n.Gateway.Addr().AsSlice(), n.Gateway.Bits())}
	if err := netlink.AddrReplace(link, address); err != nil {
		return nil, fmt.Errorf("address %s: %w", n.Gateway, err)
	}
	return link, netlink.LinkSetUp(link)
}

func attrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

func ipNet(ip net.IP, bits int) *net.IPNet {
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, len(ip)*8)}
}

func ensureMachine(m plan.Machine, bridge netlink.Link, gateway net.IP) error {
	ns, err := ensureNamespace(m.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	inside, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	defer inside.Close()
	if err := up(inside, "lo"); err != nil {
		return err
	}
	if err := ensureWire(m, ns, inside, bridge); err != nil {
		return fmt.Errorf("wire %s: %w", m.Port, err)
	}
	device, err := ensureDevice(m, inside)
	if err != nil {
		return err
	}
	return ensureAddress(m, inside, device, gateway)
}

func up(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return h.LinkSetUp(link)
}

// ensureWire makes the pair in one call with its far end in the namespace, so that a half pair never exists.
func ensureWire(m plan.Machine, ns netns.NsHandle, inside *netlink.Handle, bridge netlink.Link) error {
	_, outerErr := netlink.LinkByName(m.Port)
	_, innerErr := inside.LinkByName("eth0")
	if outerErr != nil || innerErr != nil {
		if err := deleteLink(m.Port); err != nil {
			return err
		}
		pair := &netlink.Veth{LinkAttrs: attrs(m.Port), PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
	}
	port, err := netlink.LinkByName(m.Port)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(port, bridge); err != nil {
		return err
	}
	return netlink.LinkSetUp(port)
}

func ensureAddress(m plan.Machine, inside *netlink.Handle, device netlink.Link, gateway net.IP) error {
	address := &netlink.Addr{IPNet: ipNet(m.Address.Addr().AsSlice(), m.Address.Bits())}
	if err := inside.AddrReplace(device, address); err != nil {
		return fmt.Errorf("address %s: %w", m.Address, err)
	}
	if err := inside.LinkSetUp(device); err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: device.Attrs().Index, Gw: gateway}
	if err := inside.RouteReplace(route); err != nil {
		return fmt.Errorf("default route by %s: %w", gateway, err)
	}
	return nil
}

func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return err
	}
	// It may vanish meanwhile, when the namespace of its other end dies.
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("delete interface %s: %w", name, err)
	}
	return nil
}

// Package network gives the VM the pod's address. The port is a routed link: addresses have full-length prefixes, the
// gateway is on link and has a permanent neighbour entry, so that the first packet needs no resolution.
package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel/uevent"
	"pacific/internal/dump"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Setup sets the pod's network up. It may be called again with the same network.
func Setup(ctx context.Context, n *agentv1.Network) error {
	if len(n.GetAddresses()) == 0 {
		return nil // the pod has no port
	}
	link, err := waitLink(ctx)
	if err != nil {
		return err
	}
	if err := setLink(link, n); err != nil {
		return fmt.Errorf("%s: %w", link.Attrs().Name, err)
	}
	for _, a := range n.GetAddresses() {
		if err := addAddress(link, a); err != nil {
			return fmt.Errorf("%s: address %s: %w", link.Attrs().Name, a, err)
		}
	}
	for _, g := range n.GetGateways() {
		if err := addGateway(link, g, n.GetGatewayMac()); err != nil {
			return fmt.Errorf("%s: gateway %s: %w", link.Attrs().Name, g, err)
		}
	}
	return nil
}

// Clear undoes Setup: the port is down, as in a machine that has just begun.
func Clear(ctx context.Context, n *agentv1.Network) error {
	if len(n.GetAddresses()) == 0 {
		return nil
	}
	link, err := waitLink(ctx)
	if err != nil {
		return err
	}
	for _, a := range n.GetAddresses() {
		addr, err := netlink.ParseAddr(a)
		if err == nil {
			err = netlink.AddrDel(link, addr)
		}
		if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("%s: address %s: %w", link.Attrs().Name, a, err)
		}
	}
	// Routes and neighbours go with it.
	return netlink.LinkSetDown(link)
}

// waitLink returns the VM's port.
func waitLink(ctx context.Context) (netlink.Link, error) {
	var found netlink.Link
	err := uevent.Await(ctx, func() (bool, error) {
		links, err := dump.Whole(netlink.LinkList)
		if err != nil {
			return false, err
		}
		for _, l := range links {
			if l.Attrs().Flags&net.FlagLoopback == 0 && l.Type() == "device" {
				found = l
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the network device: %w", err)
	}
	return found, nil
}

func setLink(link netlink.Link, n *agentv1.Network) error {
	mac, err := net.ParseMAC(n.GetMac())
	if err != nil && n.GetMac() != "" {
		return err
	}
	// Router advertisements are not for this port, and a routed link has no duplicates to detect.
	for _, s := range []string{"accept_ra", "accept_dad"} {
		path := fmt.Sprintf("/proc/sys/net/ipv6/conf/%s/%s", link.Attrs().Name, s)
		if err := os.WriteFile(path, []byte("0"), 0o644); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if mac != nil && mac.String() != link.Attrs().HardwareAddr.String() {
		if err := netlink.LinkSetDown(link); err != nil {
			return err
		}
		if err := netlink.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("hardware address %s: %w", mac, err)
		}
	}
	if mtu := int(n.GetMtu()); mtu > 0 {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("MTU %d: %w", mtu, err)
		}
	}
	return netlink.LinkSetUp(link)
}

func addAddress(link netlink.Link, cidr string) error {
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	addr.Flags = unix.IFA_F_NODAD
	return netlink.AddrReplace(link, addr)
}

func addGateway(link netlink.Link, gateway, mac string) error {
	ip := net.ParseIP(gateway)
	if ip == nil {
		return errors.New("not an IP address")
	}
	bits := 128
	anywhere := &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}
	if v4 := ip.To4(); v4 != nil {
		ip, bits = v4, 32
		anywhere = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	}
	index := link.Attrs().Index
	if mac != "" {
		hw, err := net.ParseMAC(mac)
		if err != nil {
			return err
		}
		neighbour := &netlink.Neigh{LinkIndex: index, State: netlink.NUD_PERMANENT, IP: ip, HardwareAddr: hw}
		if err := netlink.NeighSet(neighbour); err != nil {
			return fmt.Errorf("neighbour: %w", err)
		}
	}
	routes := []*netlink.Route{
		{LinkIndex: index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}},
		{LinkIndex: index, Dst: anywhere, Gw: ip, Flags: int(netlink.FLAG_ONLINK)},
	}
	for _, r := range routes {
		if err := netlink.RouteReplace(r); err != nil {
			return fmt.Errorf("route to %s: %w", r.Dst, err)
		}
	}
	return nil
}

// Counters are the bytes that went through the pod's port.
func Counters() (rx, tx uint64) {
	links, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return 0, 0
	}
	for _, l := range links {
		if s := l.Attrs().Statistics; s != nil && l.Attrs().Flags&net.FlagLoopback == 0 {
			rx, tx = rx+s.RxBytes, tx+s.TxBytes
		}
	}
	return rx, tx
}

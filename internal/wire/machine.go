package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Machine is a network namespace with one wire to the outside, eth0, whose other end is a port of a bridge.
type Machine struct {
	Namespace string
	Port      string // the other end of eth0, on the bridge
	Address   netip.Prefix
	// Bridge, inside, has eth0 in it, and the address, where machines share the wire; empty where eth0 has the address itself.
	Bridge string
}

// EnsureMachine makes the namespace with a wire to a bridge of the caller's namespace. What is there is kept, what is half there is
// completed. gateway is that of the default route; none if it is not valid.
func EnsureMachine(m Machine, bridge string, gateway netip.Addr) error {
	link, err := netlink.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("bridge %s of the management network: %w", bridge, err)
	}
	if err := ensureMachine(m, link, gateway.AsSlice()); err != nil {
		return fmt.Errorf("namespace %s: %w", m.Namespace, err)
	}
	return nil
}

// DeleteMachine deletes a namespace and its wire.
func DeleteMachine(m Machine) error {
	if err := DeleteNamespace(m.Namespace); err != nil {
		return err
	}
	return DeleteLink(m.Port)
}

// Attrs of a new interface.
func Attrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// IPNet of an address and its prefix length.
func IPNet(ip net.IP, bits int) *net.IPNet {
	return &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, len(ip)*8)}
}

func ensureMachine(m Machine, bridge netlink.Link, gateway net.IP) error {
	ns, err := EnsureNamespace(m.Namespace)
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
func ensureWire(m Machine, ns netns.NsHandle, inside *netlink.Handle, bridge netlink.Link) error {
	_, outerErr := netlink.LinkByName(m.Port)
	_, innerErr := inside.LinkByName("eth0")
	if outerErr != nil || innerErr != nil {
		if err := DeleteLink(m.Port); err != nil {
			return err
		}
		pair := &netlink.Veth{LinkAttrs: Attrs(m.Port), PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}
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

func ensureAddress(m Machine, inside *netlink.Handle, device netlink.Link, gateway net.IP) error {
	address := &netlink.Addr{IPNet: IPNet(m.Address.Addr().AsSlice(), m.Address.Bits())}
	if err := inside.AddrReplace(device, address); err != nil {
		return fmt.Errorf("address %s: %w", m.Address, err)
	}
	if err := inside.LinkSetUp(device); err != nil {
		return err
	}
	if gateway == nil {
		return nil
	}
	route := &netlink.Route{LinkIndex: device.Attrs().Index, Gw: gateway}
	if err := inside.RouteReplace(route); err != nil {
		return fmt.Errorf("default route by %s: %w", gateway, err)
	}
	return nil
}

// DeleteLink deletes an interface; one that is gone is fine.
func DeleteLink(name string) error {
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

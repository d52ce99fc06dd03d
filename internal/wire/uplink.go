package wire

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"pacific/internal/dump"
)

// ensureDevice is the device that has the machine's address: eth0, or the bridge with eth0 in it, by which the host's virtual machines
// reach the wire too.
func ensureDevice(m Machine, inside *netlink.Handle) (netlink.Link, error) {
	eth0, err := inside.LinkByName("eth0")
	if err != nil || m.Bridge == "" {
		return eth0, err
	}
	bridge, err := ensureUplink(m, inside, eth0)
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", m.Bridge, err)
	}
	return bridge, nil
}

func ensureUplink(m Machine, inside *netlink.Handle, eth0 netlink.Link) (netlink.Link, error) {
	bridge, err := inside.LinkByName(m.Bridge)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		if err := inside.LinkAdd(&netlink.Bridge{LinkAttrs: Attrs(m.Bridge)}); err != nil {
			return nil, err
		}
		bridge, err = inside.LinkByName(m.Bridge)
	}
	if err != nil {
		return nil, err
	}
	// An address of its own, or it would change with the ports, and neighbours would look for it in vain.
	if mac := eth0.Attrs().HardwareAddr; !bytes.Equal(bridge.Attrs().HardwareAddr, mac) {
		if err := inside.LinkSetHardwareAddr(bridge, mac); err != nil {
			return nil, fmt.Errorf("hardware address %s: %w", mac, err)
		}
	}
	if err := clearAddresses(inside, eth0); err != nil {
		return nil, err
	}
	if eth0.Attrs().MasterIndex != bridge.Attrs().Index {
		if err := inside.LinkSetMaster(eth0, bridge); err != nil {
			return nil, err
		}
	}
	return bridge, inside.LinkSetUp(eth0)
}

// clearAddresses of a wire that has come into a bridge.
func clearAddresses(inside *netlink.Handle, link netlink.Link) error {
	addresses, err := dump.Whole(func() ([]netlink.Addr, error) { return inside.AddrList(link, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
	}
	for _, address := range addresses {
		if err := inside.AddrDel(link, &address); err != nil {
			return fmt.Errorf("take address %s from %s: %w", address.IPNet, link.Attrs().Name, err)
		}
	}
	return nil
}

// Package kernel reads and changes the network of the namespace it runs in, by netlink and sysctl. It decides nothing:
// the states come from package plan.
//
// What belongs to the dataplane is marked: routes and rules carry Protocol, the overlay device is its own, and on taps all
// permanent neighbour entries are. Everything else is left alone.
package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/dataplane/plan"
	"pacific/internal/dump"
)

// Protocol marks routes and rules of the dataplane (rtm_protocol). Numbers above 4 that /etc/iproute2/rt_protos does not
// name are free for use.
const Protocol = 80

// rulePriority is before the main table (32766) and behind the local one (0), so that a host's own addresses stay local.
const rulePriority = 4096

var families = []int{netlink.FAMILY_V4, netlink.FAMILY_V6}

// Links are the host's interfaces.
type Links struct {
	byName map[string]netlink.Link
	names  map[int]string
}

// ReadLinks lists the host's interfaces.
func ReadLinks() (Links, error) {
	all, err := dump.Whole(netlink.LinkList)
	if err != nil {
		return Links{}, fmt.Errorf("list interfaces: %w", err)
	}
	links := Links{map[string]netlink.Link{}, map[int]string{}}
	for _, link := range all {
		links.byName[link.Attrs().Name] = link
		links.names[link.Attrs().Index] = link.Attrs().Name
	}
	return links, nil
}

// Ports are the names of the interfaces that hostd has made for machines. It gives them their hardware address last, upon
// which the kernel forgets all neighbours: before that they are not ready.
func (l Links) Ports() map[string]bool {
	names := map[string]bool{}
	for name, link := range l.byName {
		if plan.IsPort(name) && link.Attrs().HardwareAddr.String() == hostv1.GatewayMAC {
			names[name] = true
		}
	}
	return names
}

// Index of the interface, 0 if there is none.
func (l Links) Index(name string) int {
	if link, ok := l.byName[name]; ok {
		return link.Attrs().Index
	}
	return 0
}

// gone drops the errors of an object, or its interface, that is not there any more: what was to be removed is removed.
func gone(err error) error {
	for _, errno := range []unix.Errno{unix.ESRCH, unix.ENOENT, unix.ENODEV, unix.ENXIO, unix.EADDRNOTAVAIL} {
		if errors.Is(err, errno) {
			return nil
		}
	}
	return err
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addrOf(n.IP), ones)
}

func addrOf(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// ipOf is nil for the zero address.
func ipOf(addr netip.Addr) net.IP { return addr.AsSlice() }

func familyOf(addr netip.Addr) int {
	if addr.Is4() {
		return netlink.FAMILY_V4
	}
	return netlink.FAMILY_V6
}

package kernel

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"k8s.io/klog/v2"

	"pacific/internal/dataplane/plan"
)

const (
	overlayVNI  = 4096
	overlayPort = 4789 // RFC 7348
	// Outer Ethernet, IP, UDP and VXLAN headers.
	overhead4 = 50
	overhead6 = 70
)

// EnsureOverlay makes the VXLAN device on the underlay interface for the host's address, or makes it right. It returns
// true when it changed anything, so that the links must be read again.
func EnsureOverlay(links Links, underlay string, host netip.Addr) (changed bool, err error) {
	lower, ok := links.byName[underlay]
	if !ok {
		return false, fmt.Errorf("interface %s does not exist: --interface must name the one that carries the host's address %s", underlay, host)
	}
	want := overlayDevice(lower.Attrs(), host)
	link, ok := links.byName[plan.OverlayInterface]
	if ok && !sameTunnel(link, want) {
		klog.InfoS("The overlay device has other parameters and is made anew", "interface", plan.OverlayInterface)
		if err := netlink.LinkDel(link); err != nil {
			return false, fmt.Errorf("delete %s, which has wrong parameters: %w", plan.OverlayInterface, err)
		}
		ok = false
	}
	if !ok {
		if err := netlink.LinkAdd(want); err != nil {
			return false, fmt.Errorf("make VXLAN device %s on %s: %w", plan.OverlayInterface, underlay, err)
		}
		if link, err = netlink.LinkByName(plan.OverlayInterface); err != nil {
			return false, fmt.Errorf("find %s: %w", plan.OverlayInterface, err)
		}
		changed = true
	}
	adjusted, err := adjust(link, want, host)
	return changed || adjusted, err
}

func overlayDevice(lower *netlink.LinkAttrs, host netip.Addr) *netlink.Vxlan {
	mac, _ := net.ParseMAC(plan.OverlayMAC(host))
	overhead := overhead4
	if host.Is6() {
		overhead = overhead6
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = plan.OverlayInterface
	attrs.HardwareAddr = mac
	attrs.MTU = lower.MTU - overhead
	return &netlink.Vxlan{
		LinkAttrs:    attrs,
		VxlanId:      overlayVNI,
		VtepDevIndex: lower.Index,
		SrcAddr:      host.AsSlice(),
		Port:         overlayPort,
		Learning:     false,
	}
}

// sameTunnel compares what cannot be changed on a device that exists.
func sameTunnel(link netlink.Link, want *netlink.Vxlan) bool {
	have, ok := link.(*netlink.Vxlan)
	return ok && have.VxlanId == want.VxlanId && have.VtepDevIndex == want.VtepDevIndex &&
		have.SrcAddr.Equal(want.SrcAddr) && have.Port == want.Port && have.Learning == want.Learning
}

// adjust sets what can be changed. The device carries the host's own address, which is what masquerading towards remote
// pods takes as source.
func adjust(link netlink.Link, want *netlink.Vxlan, host netip.Addr) (changed bool, err error) {
	attrs := link.Attrs()
	if attrs.MTU != want.MTU {
		changed = true
		if err := netlink.LinkSetMTU(link, want.MTU); err != nil {
			return changed, fmt.Errorf("set MTU %d on %s: %w", want.MTU, attrs.Name, err)
		}
	}
	if attrs.HardwareAddr.String() != want.HardwareAddr.String() {
		changed = true
		if err := netlink.LinkSetHardwareAddr(link, want.HardwareAddr); err != nil {
			return changed, fmt.Errorf("set hardware address of %s: %w", attrs.Name, err)
		}
	}
	if attrs.Flags&net.FlagUp == 0 {
		changed = true
		if err := netlink.LinkSetUp(link); err != nil {
			return changed, fmt.Errorf("bring %s up: %w", attrs.Name, err)
		}
	}
	return changed, ensureAddress(link, host)
}

func ensureAddress(link netlink.Link, host netip.Addr) error {
	want := netip.PrefixFrom(host, host.BitLen())
	addrs, err := netlink.AddrList(link, familyOf(host))
	if err = complete(err); err != nil {
		return fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
	}
	found := false
	for _, addr := range addrs {
		switch have := prefixOf(addr.IPNet); {
		case have == want:
			found = true
		case !have.Addr().IsLinkLocalUnicast():
			if err := gone(netlink.AddrDel(link, &addr)); err != nil {
				return fmt.Errorf("remove address %s from %s: %w", have, link.Attrs().Name, err)
			}
		}
	}
	if found {
		return nil
	}
	if err := exists(netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(want)})); err != nil {
		return fmt.Errorf("add address %s to %s: %w", want, link.Attrs().Name, err)
	}
	return nil
}

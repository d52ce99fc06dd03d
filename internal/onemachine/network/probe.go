package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"sigs.k8s.io/knftables"

	"pacific/internal/dump"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/plan"
	"pacific/internal/wire"
)

// Probe tries, in a namespace that vanishes with the attempt, what a host needs of the kernel. Each error names one
// missing feature.
func Probe(ctx context.Context) []error {
	result := make(chan []error)
	go func() {
		// The thread is not unlocked and dies with the goroutine, and the namespace with it.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- []error{fmt.Errorf("network namespaces (CONFIG_NET_NS): %w", err)}
			return
		}
		result <- probeHere(ctx)
	}()
	return <-result
}

func probeHere(ctx context.Context) []error {
	var errs []error
	try := func(feature string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", feature, err))
		}
	}
	try("bridges (CONFIG_BRIDGE)", netlink.LinkAdd(&netlink.Bridge{LinkAttrs: wire.Attrs("probe-br")}))
	try("veth pairs (CONFIG_VETH)", netlink.LinkAdd(&netlink.Veth{LinkAttrs: wire.Attrs("probe-a"), PeerName: "probe-b"}))
	try("VXLAN (CONFIG_VXLAN)", netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: wire.Attrs("probe-vx"), VxlanId: 1, Port: 4789, Learning: true}))
	try("taps (CONFIG_TUN, /dev/net/tun)", netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: wire.Attrs("probe-tap"), Mode: netlink.TUNTAP_MODE_TAP, NonPersist: true}))
	try("nftables with NAT and connection tracking (CONFIG_NF_TABLES, CONFIG_NFT_MASQ)", probeNFT(ctx))
	return errs
}

func probeNFT(ctx context.Context) error {
	nft, err := knftables.New(knftables.IPv4Family, "pacific-probe")
	if err != nil {
		return err
	}
	return nft.Run(ctx, masqueradeRules(nft, plan.Network{Bridge: "probe-br", Subnet: netip.MustParsePrefix("10.77.0.0/24")}))
}

// Free tells whether nothing on the machine but the instance itself uses the subnet of the instance with this id.
func Free(id int) error {
	l := layout.Layout{ID: id}
	own, _ := netlink.LinkByName(l.Bridge())
	routes, err := dump.Whole(func() ([]netlink.Route, error) { return netlink.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	var errs []error
	for _, route := range routes {
		if route.Dst == nil || own != nil && route.LinkIndex == own.Attrs().Index {
			continue
		}
		if overlaps(route.Dst, l.Subnet()) {
			errs = append(errs, fmt.Errorf("subnet %s is in use: the machine has a route to %s", l.Subnet(), route.Dst))
		}
	}
	return errors.Join(errs...)
}

func overlaps(dst *net.IPNet, subnet netip.Prefix) bool {
	ip, ok := netip.AddrFromSlice(dst.IP.To4())
	if !ok {
		return false
	}
	bits, _ := dst.Mask.Size()
	// The default route, however written, is in nobody's way.
	return bits > 0 && netip.PrefixFrom(ip, bits).Overlaps(subnet)
}

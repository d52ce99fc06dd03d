package appliance

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"

	"pacific/api/seed"
	"pacific/internal/channel/uevent"
)

// linkTimeout bounds the wait for the port, which is there before the guest runs.
const linkTimeout = time.Minute

func setNetwork(ctx context.Context, n seed.Network) error {
	link, err := port(ctx)
	if err != nil {
		return err
	}
	// Neither address nor route of others' announcements: the seed says what there is.
	if err := sysctl("net/ipv6/conf", seed.Interface, "accept_ra", "0"); err != nil {
		return err
	}
	// The neighbours hear where the address is when the port comes up.
	if err := sysctl("net/ipv4/conf", seed.Interface, "arp_notify", "1"); err != nil {
		return err
	}
	if n.MTU != 0 {
		if err := netlink.LinkSetMTU(link, n.MTU); err != nil {
			return fmt.Errorf("set MTU %d of %s: %w", n.MTU, seed.Interface, err)
		}
	}
	if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(n.Address)}); err != nil {
		return fmt.Errorf("set address %s: %w", n.Address, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", seed.Interface, err)
	}
	if !n.Gateway.IsValid() {
		return nil
	}
	if err := netlink.RouteReplace(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: n.Gateway.AsSlice()}); err != nil {
		return fmt.Errorf("set default route by %s: %w", n.Gateway, err)
	}
	return nil
}

func port(ctx context.Context) (link netlink.Link, err error) {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	err = uevent.Await(ctx, func() (bool, error) {
		link, err = netlink.LinkByName(seed.Interface)
		return err == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for %s, the port on the management network: %w; give the machine a port", seed.Interface, err)
	}
	return link, nil
}

func sysctl(dir, device, name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", dir, device, name), []byte(value), 0o644)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

package kernel

import (
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/dataplane/plan"
)

var self = plan.Host{Name: "host-1", Address: netip.MustParseAddr("10.77.0.11")}

// inNamespace moves the test into a network namespace of its own, which ends with it.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root to make a network namespace")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test's goroutine
	home, err := netns.Get()
	check(t, err)
	space, err := netns.New()
	check(t, err)
	t.Cleanup(func() {
		netns.Set(home)
		space.Close()
		home.Close()
	})
	addLink(t, "eth0", nil)
	eth0, err := netlink.LinkByName("eth0")
	check(t, err)
	check(t, netlink.AddrAdd(eth0, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 77, 0, 11), Mask: net.CIDRMask(24, 32)}}))
	check(t, netlink.LinkSetUp(eth0))
}

func addPort(t *testing.T, machine string) string {
	t.Helper()
	name := hostv1.TapName(machine)
	mac, _ := net.ParseMAC(hostv1.GatewayMAC)
	addLink(t, name, mac)
	return name
}

// addLink makes one end of a veth pair; what the other end is does not matter.
func addLink(t *testing.T, name string, mac net.HardwareAddr) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, mac
	check(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "x" + name[1:]}))
	peer, err := netlink.LinkByName("x" + name[1:])
	check(t, err)
	check(t, netlink.LinkSetUp(peer))
}

func overlayLinks(t *testing.T) Links {
	t.Helper()
	links, err := ReadLinks()
	check(t, err)
	_, err = EnsureOverlay(links, "eth0", self.Address)
	check(t, err)
	links, err = ReadLinks()
	check(t, err)
	return links
}

func desired(name string) plan.State {
	peers := []plan.Peer{
		{Address: netip.MustParseAddr("10.77.0.2")},
		{Address: netip.MustParseAddr("10.77.0.12"), Prefixes: prefixes("10.244.2.0/24", "fd00:2::/64")},
	}
	state := plan.Overlay(self, prefixes("10.244.1.0/24", "fd00:1::/64"), peers)
	state.AddPorts(self, []plan.Port{{
		Pod: &corev1.Pod{}, Interface: name, MAC: hostv1.MAC("web"),
		Addresses: []netip.Addr{netip.MustParseAddr("10.244.1.5"), netip.MustParseAddr("fd00:1::5")},
	}})
	return state
}

func TestApplyThenReadAgrees(t *testing.T) {
	inNamespace(t)
	check(t, EnableForwarding())
	name := addPort(t, "web")
	links := overlayLinks(t)
	check(t, PreparePort(links, name, true))
	foreign := &netlink.Route{LinkIndex: links.Index("eth0"), Dst: ipNet(netip.MustParsePrefix("10.99.0.0/24")), Scope: netlink.SCOPE_LINK}
	check(t, netlink.RouteAdd(foreign))

	want := desired(name)
	applyAndCompare(t, links, want)
	// The host has moved: everything of it is replaced.
	moved := plan.Overlay(self, prefixes("10.244.1.0/24"), []plan.Peer{
		{Address: netip.MustParseAddr("10.77.0.22"), Prefixes: prefixes("10.244.2.0/24")},
	})
	applyAndCompare(t, links, moved)
	applyAndCompare(t, links, want)
	applyAndCompare(t, links, plan.NewState())

	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, foreign, netlink.RT_FILTER_DST)
	check(t, err)
	if len(routes) != 1 {
		t.Error("a route of somebody else was removed")
	}
}

func applyAndCompare(t *testing.T, links Links, want plan.State) {
	t.Helper()
	have, err := Read(links)
	check(t, err)
	check(t, Apply(links, plan.Diff(have, want)))
	have, err = Read(links)
	check(t, err)
	if have.String() != want.String() {
		t.Fatalf("the kernel has\n%s\nwant\n%s", have, want)
	}
}

func TestEnsureOverlay(t *testing.T) {
	inNamespace(t)
	device := func() *netlink.Vxlan { return overlayLinks(t).byName[plan.OverlayInterface].(*netlink.Vxlan) }
	first := device()
	if first.MTU != 1450 || first.HardwareAddr.String() != plan.OverlayMAC(self.Address) || first.Learning {
		t.Errorf("unexpected device %+v", first)
	}
	if again := device(); again.Index != first.Index {
		t.Error("a right device was made anew")
	}
	eth0, err := netlink.LinkByName("eth0")
	check(t, err)
	check(t, netlink.LinkSetMTU(eth0, 1400))
	if changed := device(); changed.Index != first.Index || changed.MTU != 1350 {
		t.Errorf("after the underlay's MTU changed: index %d, MTU %d", changed.Index, changed.MTU)
	}
	check(t, netlink.LinkDel(first))
	check(t, netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: plan.OverlayInterface}, VxlanId: 1, Port: 8472, Learning: true}))
	if replaced := device(); replaced.VxlanId != overlayVNI || replaced.Port != overlayPort || replaced.Learning {
		t.Errorf("a device with other parameters stays: %+v", replaced)
	}
	if _, err := EnsureOverlay(overlayLinks(t), "eth9", self.Address); err == nil {
		t.Error("no error for an interface that does not exist")
	}
}

func TestLoosenFilter(t *testing.T) {
	inNamespace(t)
	for _, tc := range []struct{ all, own, want string }{{"0", "0", "0"}, {"1", "0", "2"}, {"0", "1", "2"}, {"2", "0", "0"}} {
		check(t, setSysctl("ipv4/conf/all/rp_filter", tc.all))
		check(t, setSysctl("ipv4/conf/eth0/rp_filter", tc.own))
		check(t, LoosenFilter("eth0"))
		if got, _ := os.ReadFile(filepath.Join(sysctlRoot, "ipv4/conf/eth0/rp_filter")); string(got) != tc.want+"\n" {
			t.Errorf("all %s, own %s: became %q, want %s", tc.all, tc.own, got, tc.want)
		}
	}
	check(t, LoosenFilter("eth9"))
}

func TestPortsAreFinishedTaps(t *testing.T) {
	inNamespace(t)
	name := addPort(t, "web")
	addLink(t, hostv1.TapName("half-made"), nil)
	links, err := ReadLinks()
	check(t, err)
	if got := links.Ports(); !maps.Equal(got, map[string]bool{name: true}) {
		t.Errorf("ports are %v, want only %s", got, name)
	}
}

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, prefix := range all {
		out = append(out, netip.MustParsePrefix(prefix))
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

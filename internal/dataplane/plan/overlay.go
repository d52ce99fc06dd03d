package plan

import (
	"crypto/sha256"
	"net"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

const (
	// OverlayInterface is the VXLAN device that joins the hosts.
	OverlayInterface = "pac-vxlan"
	// OverlayTable holds the routes of what comes from pods to hosts. Traffic between pods and hosts goes through the
	// overlay in both directions, so that the underlay never sees a pod's address: switches and clouds drop sources that
	// they do not know. The hosts' own traffic, the overlay's packets among it, does not look here.
	OverlayTable = 4096
)

// Host is this host.
type Host struct {
	Name    string
	Address netip.Addr
}

// Peer is another host, or a machine of the control plane, which has no pods.
type Peer struct {
	Address  netip.Addr
	Prefixes []netip.Prefix // of its pods
}

// Peers are the other nodes, and the control plane's machines: they need no Node object, since the endpoints of the
// Service kubernetes name them. Sorted by address.
func Peers(self Host, nodes []*corev1.Node, controlPlane []*discoveryv1.EndpointSlice) []Peer {
	byAddress := map[netip.Addr]Peer{}
	for _, slice := range controlPlane {
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				if addr, err := netip.ParseAddr(address); err == nil {
					byAddress[addr] = Peer{Address: addr}
				}
			}
		}
	}
	for _, node := range nodes {
		if addr := InternalIP(node); addr.IsValid() {
			byAddress[addr] = Peer{Address: addr, Prefixes: PodPrefixes(node)}
		}
	}
	delete(byAddress, self.Address)
	var peers []Peer
	for _, peer := range byAddress {
		if peer.Address.Is4() == self.Address.Is4() {
			peers = append(peers, peer)
		}
	}
	slices.SortFunc(peers, func(a, b Peer) int { return a.Address.Compare(b.Address) })
	return peers
}

// InternalIP is the node's first address of that type; invalid when it has none yet.
func InternalIP(node *corev1.Node) netip.Addr {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			if addr, err := netip.ParseAddr(address.Address); err == nil {
				return addr
			}
		}
	}
	return netip.Addr{}
}

// PodPrefixes are the address ranges of the node's pods.
func PodPrefixes(node *corev1.Node) []netip.Prefix {
	cidrs := node.Spec.PodCIDRs
	if len(cidrs) == 0 && node.Spec.PodCIDR != "" {
		cidrs = []string{node.Spec.PodCIDR}
	}
	var prefixes []netip.Prefix
	for _, cidr := range cidrs {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			prefixes = append(prefixes, prefix.Masked())
		}
	}
	slices.SortFunc(prefixes, comparePrefix)
	return prefixes
}

// OverlayMAC is the hardware address of the overlay device of the host with this address: locally administered, unicast,
// derived, so that hosts need not tell each other.
func OverlayMAC(host netip.Addr) string {
	h := sha256.Sum256([]byte("overlay/" + host.String()))
	return net.HardwareAddr{0x02, 0x50, 0x76, h[0], h[1], h[2]}.String()
}

// Overlay is the state that lets this host, and its pods with addresses of prefixes, reach the peers.
func Overlay(self Host, prefixes []netip.Prefix, peers []Peer) State {
	state := NewState()
	for _, prefix := range prefixes {
		if prefix.Addr().Is4() == self.Address.Is4() {
			state.Rules[Rule{From: prefix, Table: OverlayTable}] = true
		}
	}
	for _, peer := range peers {
		state.addPeer(self, peer)
	}
	return state
}

func (s State) addPeer(self Host, peer Peer) {
	mac := OverlayMAC(peer.Address)
	s.Forwardings[Forwarding{OverlayInterface, mac, peer.Address}] = true
	s.Neighbours[Neighbour{OverlayInterface, peer.Address, mac}] = true
	s.Routes[Route{
		Table:       OverlayTable,
		Destination: netip.PrefixFrom(peer.Address, peer.Address.BitLen()),
		Gateway:     peer.Address,
		Interface:   OverlayInterface,
	}] = true
	for _, prefix := range peer.Prefixes {
		gateway, source := peer.Address, self.Address
		if prefix.Addr().Is4() != gateway.Is4() {
			// The other family's next hop is the peer's link-local address on the overlay; the kernel chooses the source.
			gateway, source = linkLocal(mac), netip.Addr{}
			s.Neighbours[Neighbour{OverlayInterface, gateway, mac}] = true
		}
		s.Routes[Route{Destination: prefix, Gateway: gateway, Interface: OverlayInterface, Source: source}] = true
	}
}

// linkLocal is the modified EUI-64 address of a MAC (RFC 4291, appendix A), the one that the kernel gives the peer's device.
func linkLocal(mac string) netip.Addr {
	m, _ := net.ParseMAC(mac)
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// SameNode tells whether two versions of a node are equal in all that matters here.
func SameNode(a, b *corev1.Node) bool {
	return InternalIP(a) == InternalIP(b) && slices.Equal(PodPrefixes(a), PodPrefixes(b))
}

package ncp

import (
	"encoding/json"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

const (
	// gateway6 is the IPv6 twin of hostv1.GatewayAddress.
	gateway6 = "fe80::1"
	// mtu is Ethernet's less the 50 bytes of VXLAN over IPv4. A host with a smaller underlay answers larger packets with
	// "fragmentation needed", so that path MTU discovery does the rest.
	mtu = 1450
)

// wantsAddress tells whether the pod has a port: it is bound to a node, and runs or may still run. One on its host's network
// has a machine, and so a port, too; the host makes its own address of this one. A pod in a terminal phase gives its address up though its object stays: the spherelet writes that phase after the
// last container has ended, and the finished pods of Jobs, kept for days, would otherwise use up the node's addresses.
func wantsAddress(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != "" &&
		pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// prefixes are the address ranges of the node's pods, primary family first; empty while the node has none.
func prefixes(node *corev1.Node) []netip.Prefix {
	cidrs := node.Spec.PodCIDRs
	if len(cidrs) == 0 && node.Spec.PodCIDR != "" {
		cidrs = []string{node.Spec.PodCIDR}
	}
	var out []netip.Prefix
	for _, cidr := range cidrs {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			out = append(out, prefix.Masked())
		}
	}
	return out
}

// networkOf is the port of the pod with these addresses.
func networkOf(pod *corev1.Pod, addrs []netip.Addr) podapi.Network {
	network := podapi.Network{
		MAC:        hostv1.MAC(podapi.MachineID(string(pod.UID))),
		GatewayMAC: hostv1.GatewayMAC,
		MTU:        mtu,
	}
	for _, addr := range addrs {
		network.Addresses = append(network.Addresses, netip.PrefixFrom(addr, addr.BitLen()).String())
		gateway := hostv1.GatewayAddress
		if addr.Is6() {
			gateway = gateway6
		}
		network.Gateways = append(network.Gateways, gateway)
	}
	return network
}

// annotated is what the pod's annotation says; the addresses are empty when there is none or it is not valid.
func annotated(pod *corev1.Pod) []netip.Addr {
	var network podapi.Network
	if json.Unmarshal([]byte(pod.Annotations[podapi.AnnotationNetwork]), &network) != nil {
		return nil
	}
	var addrs []netip.Addr
	for _, address := range network.Addresses {
		if prefix, err := netip.ParsePrefix(address); err == nil && prefix.IsSingleIP() {
			addrs = append(addrs, prefix.Addr())
		}
	}
	return addrs
}

// claimsFirst orders pods so that of several that claim one address the rightful owner comes first. Anyone who may edit
// a pod can edit its annotation, but its status is the spherelet's: the pod that reports the address has it. Then age.
func claimsFirst(a, b *corev1.Pod) int {
	if reportsA, reportsB := reportsClaim(a), reportsClaim(b); reportsA != reportsB {
		if reportsA {
			return -1
		}
		return 1
	}
	if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
		return c
	}
	if a.UID < b.UID {
		return -1
	}
	return 1
}

func reportsClaim(pod *corev1.Pod) bool {
	return slices.ContainsFunc(annotated(pod), func(addr netip.Addr) bool { return addr.String() == pod.Status.PodIP })
}

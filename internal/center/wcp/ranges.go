package wcp

import (
	"math/bits"
	"net"
	"net/netip"

	"pacific/internal/center/vapi"
)

// splitGateway reads an address with the length of its network's prefix.
func splitGateway(text string) (gateway, mask string, err error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is4() {
		return "", "", vapi.InvalidArgument("supervisor.gateway_address", "gateway_address %q: give an IPv4 address with the length of its prefix, such as 10.0.0.1/24", text)
	}
	return prefix.Addr().String(), net.IP(net.CIDRMask(prefix.Bits(), 32)).String(), nil
}

// rangeCIDR is the prefix that a range of addresses is, which must begin at its first address and have a power of two.
func rangeCIDR(address string, count int) (CIDR, error) {
	start, err := netip.ParseAddr(address)
	if err != nil || !start.Is4() || count < 1 || bits.OnesCount(uint(count)) != 1 || count > 1<<24 {
		return CIDR{}, vapi.InvalidArgument("supervisor.range", "range of %d addresses from %q: give an IPv4 address and a power of two", count, address)
	}
	prefix := netip.PrefixFrom(start, 32-bits.TrailingZeros(uint(count)))
	if prefix.Masked() != prefix {
		return CIDR{}, vapi.InvalidArgument("supervisor.range", "range of %d addresses from %s is no prefix; begin at %s", count, address, prefix.Masked().Addr())
	}
	return cidrOf(prefix), nil
}

// workloadNetworks takes the addresses of pods and Services.
func (b computeClusterSpec) workloadNetworks(spec *EnableSpec) error {
	network := &NCPNetwork{PodCIDRs: []CIDR{}, IngressCIDRs: []CIDR{}, EgressCIDRs: []CIDR{}}
	for _, assignment := range b.Workloads.Network.IPManagement.Assignments {
		for _, r := range assignment.Ranges {
			cidr, err := rangeCIDR(r.Address, r.Count)
			if err != nil {
				return err
			}
			switch assignment.Assignee {
			case "POD":
				network.PodCIDRs = append(network.PodCIDRs, cidr)
			case "SERVICE":
				spec.ServiceCIDR = &cidr
			}
		}
	}
	spec.NCPNetwork = network
	return nil
}

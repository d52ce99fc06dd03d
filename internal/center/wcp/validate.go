package wcp

import (
	"encoding/binary"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"pacific/internal/center/vapi"
)

const (
	defaultCount        = 3
	defaultAddressCount = 5
	maxBanner           = 2000
)

// Plan is what center works with: the specification with every default filled in.
type Plan struct {
	Size        string         `json:"size"`
	Count       int            `json:"count"`
	Deployment  string         `json:"deployment"`
	ServiceCIDR netip.Prefix   `json:"serviceCIDR"`
	PodCIDR     netip.Prefix   `json:"podCIDR"`
	Floating    netip.Prefix   `json:"floating"`  // with the length of the management network
	Addresses   []netip.Addr   `json:"addresses"` // of members
	Gateway     netip.Addr     `json:"gateway,omitzero"`
	Nameservers []netip.Addr   `json:"nameservers,omitempty"`
	DNSNames    []string       `json:"dnsNames,omitempty"`
	Reserved    []netip.Prefix `json:"reserved,omitempty"` // ingress and egress
}

// Deployments of members.
const (
	Auto    = "AUTO"
	VM      = "VM"
	Process = "PROCESS"
)

// validate says what is wrong with the specification first, or makes the plan. policies are the known ids.
func (s EnableSpec) validate(policies map[string]string) (Plan, error) {
	plan := Plan{Size: "TINY", Count: defaultCount, Deployment: Auto, DNSNames: s.MasterDNSNames}
	for _, check := range []func(*Plan) error{s.size, s.controlPlane, s.provider, s.networks, s.management, s.names, s.servers} {
		if err := check(&plan); err != nil {
			return Plan{}, err
		}
	}
	return plan, s.policies(policies)
}

func (s EnableSpec) size(plan *Plan) error {
	if s.SizeHint == nil {
		return nil
	}
	if _, ok := Sizes[*s.SizeHint]; !ok {
		return vapi.InvalidArgument("cluster.size_hint", "size_hint %q is none of %s", *s.SizeHint, strings.Join(slices.Sorted(maps.Keys(Sizes)), ", "))
	}
	plan.Size = *s.SizeHint
	return nil
}

func (s EnableSpec) controlPlane(plan *Plan) error {
	if s.ControlPlane == nil {
		return nil
	}
	if count := s.ControlPlane.Count; count != nil {
		if !slices.Contains([]int{1, 3, 5}, *count) {
			return vapi.InvalidArgument("cluster.control_plane.count", "control_plane.count %d: give 1, 3 or 5; an even number tolerates no more failures than one less", *count)
		}
		plan.Count = *count
	}
	switch s.ControlPlane.Deployment {
	case "":
	case Auto, VM, Process:
		plan.Deployment = s.ControlPlane.Deployment
	default:
		return vapi.InvalidArgument("cluster.control_plane.deployment", "control_plane.deployment %q is none of AUTO, VM, PROCESS", s.ControlPlane.Deployment)
	}
	return nil
}

func (s EnableSpec) provider(*Plan) error {
	if s.NetworkProvider == nil || slices.Contains([]string{"NSXT_CONTAINER_PLUGIN", "VSPHERE_NETWORK", "NSX_VPC"}, *s.NetworkProvider) {
		return nil
	}
	return vapi.InvalidArgument("cluster.network_provider", "network_provider %q is none of NSXT_CONTAINER_PLUGIN, VSPHERE_NETWORK, NSX_VPC; Pacific brings the network itself with each", *s.NetworkProvider)
}

func (s EnableSpec) networks(plan *Plan) (err error) {
	plan.ServiceCIDR, plan.PodCIDR = netip.MustParsePrefix(DefaultServiceCIDR), netip.MustParsePrefix(DefaultPodCIDR)
	if s.ServiceCIDR != nil {
		if plan.ServiceCIDR, err = prefix("service_cidr", *s.ServiceCIDR, 12, 28); err != nil {
			return err
		}
	}
	all := map[string]netip.Prefix{"service_cidr": plan.ServiceCIDR}
	if s.NCPNetwork != nil {
		if err := s.NCPNetwork.read(plan, all); err != nil {
			return err
		}
	}
	all["pod_cidrs"] = plan.PodCIDR
	return disjoint(all)
}

func (n NCPNetwork) read(plan *Plan, all map[string]netip.Prefix) (err error) {
	switch len(n.PodCIDRs) {
	case 0:
	case 1:
		if plan.PodCIDR, err = prefix("pod_cidrs", n.PodCIDRs[0], 8, 23); err != nil {
			return err
		}
	default:
		return vapi.InvalidArgument("cluster.pod_cidrs", "pod_cidrs has %d prefixes; give one that is large enough, each host takes a /24", len(n.PodCIDRs))
	}
	for name, list := range map[string][]CIDR{"ingress_cidrs": n.IngressCIDRs, "egress_cidrs": n.EgressCIDRs} {
		for _, cidr := range list {
			p, err := prefix(name, cidr, 8, 32)
			if err != nil {
				return err
			}
			all[name+" "+p.String()] = p
			plan.Reserved = append(plan.Reserved, p)
		}
	}
	return nil
}

func prefix(field string, cidr CIDR, shortest, longest int) (netip.Prefix, error) {
	p, err := cidr.Parse()
	switch {
	case err != nil || !p.Addr().Is4():
		return p, vapi.InvalidArgument("cluster."+field, "%s %s/%d is no IPv4 prefix", field, cidr.Address, cidr.Prefix)
	case p.Addr().String() != cidr.Address:
		return p, vapi.InvalidArgument("cluster."+field, "%s %s/%d has host bits set; give %s", field, cidr.Address, cidr.Prefix, p)
	case p.Bits() < shortest || p.Bits() > longest:
		return p, vapi.InvalidArgument("cluster."+field, "%s %s: give a prefix length from %d to %d", field, p, shortest, longest)
	}
	return p, nil
}

func disjoint(all map[string]netip.Prefix) error {
	names := slices.Sorted(maps.Keys(all))
	for i, one := range names {
		for _, other := range names[i+1:] {
			if all[one].Overlaps(all[other]) {
				return vapi.InvalidArgument("cluster.overlap", "%s %s and %s %s overlap; give prefixes that do not", one, all[one], other, all[other])
			}
		}
	}
	return nil
}

func (s EnableSpec) management(plan *Plan) error {
	network := s.ManagementNetwork
	if network == nil || network.AddressRange == nil {
		return vapi.InvalidArgument("cluster.management", "master_management_network with an address_range is needed: the control plane's addresses are consecutive ones on the hosts' management network")
	}
	if network.Mode != "STATICRANGE" && network.Mode != "" {
		return vapi.InvalidArgument("cluster.management.mode", "master_management_network.mode %q is not supported; use STATICRANGE", network.Mode)
	}
	r := *network.AddressRange
	if r.AddressCount == 0 {
		r.AddressCount = defaultAddressCount
	}
	start, err := netip.ParseAddr(r.StartingAddress)
	if err != nil || !start.Is4() {
		return vapi.InvalidArgument("cluster.management.starting_address", "starting_address %q is no IPv4 address", r.StartingAddress)
	}
	bits, ok := maskBits(r.SubnetMask)
	if !ok {
		return vapi.InvalidArgument("cluster.management.subnet_mask", "subnet_mask %q is no IPv4 mask such as 255.255.255.0", r.SubnetMask)
	}
	if need := plan.Count + 2; r.AddressCount < need || r.AddressCount > 64 {
		return vapi.InvalidArgument("cluster.management.address_count", "address_count %d: %d control plane members take %d addresses (one that floats, one each, one to replace a member); give at least %d", r.AddressCount, plan.Count, need, need)
	}
	return plan.takeAddresses(netip.PrefixFrom(start, bits), r.AddressCount, r.Gateway, network.FloatingIP)
}

func (p *Plan) takeAddresses(start netip.Prefix, count int, gateway, floating string) error {
	p.Floating = start
	next := start.Addr()
	for range count - 1 {
		next = next.Next()
		if !start.Masked().Contains(next) {
			return vapi.InvalidArgument("cluster.management.address_range", "%d addresses from %s do not fit into %s", count, start.Addr(), start.Masked())
		}
		p.Addresses = append(p.Addresses, next)
	}
	if floating != "" && floating != start.Addr().String() {
		address, err := netip.ParseAddr(floating)
		if err != nil || !start.Masked().Contains(address) {
			return vapi.InvalidArgument("cluster.management.floating_IP", "floating_IP %q is no address of %s", floating, start.Masked())
		}
		p.Floating = netip.PrefixFrom(address, start.Bits())
		p.Addresses = slices.DeleteFunc(append([]netip.Addr{start.Addr()}, p.Addresses...), func(a netip.Addr) bool { return a == address })
	}
	if gateway != "" {
		address, err := netip.ParseAddr(gateway)
		if err != nil || !start.Masked().Contains(address) {
			return vapi.InvalidArgument("cluster.management.gateway", "gateway %q is no address of %s", gateway, start.Masked())
		}
		if address == p.Floating.Addr() || slices.Contains(p.Addresses, address) {
			return vapi.InvalidArgument("cluster.management.gateway", "gateway %s is one of the control plane's own addresses", gateway)
		}
		p.Gateway = address
	}
	for name, other := range map[string]netip.Prefix{"service_cidr": p.ServiceCIDR, "pod_cidrs": p.PodCIDR} {
		if other.Overlaps(start.Masked()) {
			return vapi.InvalidArgument("cluster.overlap", "%s %s overlaps with the management network %s", name, other, start.Masked())
		}
	}
	return nil
}

func maskBits(mask string) (int, bool) {
	if mask == "" {
		return 24, true
	}
	address, err := netip.ParseAddr(mask)
	if err != nil || !address.Is4() {
		return 0, false
	}
	bytes := address.As4()
	ones, size := net.IPMask(bytes[:]).Size()
	return ones, size == 32 && ones > 0 && ones < 31 && binary.BigEndian.Uint32(bytes[:]) != 0
}

func (s EnableSpec) names(*Plan) error {
	for _, name := range s.MasterDNSNames {
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 && len(validation.IsWildcardDNS1123Subdomain(name)) > 0 {
			return vapi.InvalidArgument("cluster.dns_names", "Master_DNS_names: %q is no DNS name: %s", name, strings.Join(problems, "; "))
		}
	}
	if len(s.LoginBanner) > maxBanner {
		return vapi.InvalidArgument("cluster.login_banner", "login_banner has %d bytes; give at most %d", len(s.LoginBanner), maxBanner)
	}
	return nil
}

func (s EnableSpec) servers(plan *Plan) error {
	for field, list := range map[string][]string{"master_DNS": s.MasterDNS, "worker_DNS": s.WorkerDNS} {
		for _, text := range list {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return vapi.InvalidArgument("cluster."+field, "%s: %q is no IP address", field, text)
			}
			if field == "master_DNS" {
				plan.Nameservers = append(plan.Nameservers, address)
			}
		}
	}
	return nil
}

func (s EnableSpec) policies(known map[string]string) error {
	wanted := map[string]string{"master_storage_policy": s.MasterStoragePolicy, "ephemeral_storage_policy": s.EphemeralStoragePolicy}
	if s.ImageStorage != nil {
		wanted["image_storage.storage_policy"] = s.ImageStorage.StoragePolicy
	}
	for _, field := range slices.Sorted(maps.Keys(wanted)) {
		if id := wanted[field]; id != "" && known[id] == "" {
			return vapi.InvalidArgument("cluster.storage_policy", "%s: there is no storage policy %q; GET /api/vcenter/storage/policies lists them", field, id)
		}
	}
	return nil
}

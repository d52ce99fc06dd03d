package wcp

import (
	"encoding/json"
	"net/netip"
)

// EnableSpec is the body of clusters/{cluster}?action=enable. What the original needs and Pacific does not (edges, switches, load
// balancers of other vendors) is accepted, kept and shown; it changes nothing.
type EnableSpec struct {
	SizeHint               *string            `json:"size_hint,omitempty"`
	ServiceCIDR            *CIDR              `json:"service_cidr,omitempty"`
	NetworkProvider        *string            `json:"network_provider,omitempty"`
	NCPNetwork             *NCPNetwork        `json:"ncp_cluster_network_spec,omitempty"`
	WorkloadNetworks       json.RawMessage    `json:"workload_networks_spec,omitempty"`
	ManagementNetwork      *ManagementNetwork `json:"master_management_network,omitempty"`
	MasterDNS              []string           `json:"master_DNS,omitempty"`
	WorkerDNS              []string           `json:"worker_DNS,omitempty"`
	MasterDNSSearchDomains []string           `json:"master_DNS_search_domains,omitempty"`
	MasterDNSNames         []string           `json:"Master_DNS_names,omitempty"` // sic
	MasterNTPServers       []string           `json:"master_NTP_servers,omitempty"`
	WorkloadNTPServers     []string           `json:"workload_ntp_servers,omitempty"`
	ImageStorage           *ImageStorage      `json:"image_storage,omitempty"`
	EphemeralStoragePolicy string             `json:"ephemeral_storage_policy,omitempty"`
	MasterStoragePolicy    string             `json:"master_storage_policy,omitempty"`
	LoginBanner            string             `json:"login_banner,omitempty"`
	DefaultImageRegistry   *ImageRegistry     `json:"default_image_registry,omitempty"`
	DefaultImageRepository string             `json:"default_image_repository,omitempty"`
	ContentLibrary         string             `json:"default_kubernetes_service_content_library,omitempty"`
	LoadBalancer           json.RawMessage    `json:"load_balancer_config_spec,omitempty"`
	ControlPlane           *ControlPlane      `json:"control_plane,omitempty"`
}

// ControlPlane is Pacific's addition to the specification of a cluster.
type ControlPlane struct {
	Count *int `json:"count,omitempty"` // 1, 3 or 5
	// Deployment is VM, PROCESS, or AUTO: machines where hosts have KVM, else processes on the hosts.
	Deployment string `json:"deployment,omitempty"`
}

// CIDR is a prefix.
type CIDR struct {
	Address string `json:"address"`
	Prefix  int    `json:"prefix"`
}

// Parse checks and reads it.
func (c CIDR) Parse() (netip.Prefix, error) {
	address, err := netip.ParseAddr(c.Address)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(c.Prefix)
}

func mustCIDR(text string) CIDR { return cidrOf(netip.MustParsePrefix(text)) }

func cidrOf(prefix netip.Prefix) CIDR {
	return CIDR{Address: prefix.Addr().String(), Prefix: prefix.Bits()}
}

// NCPNetwork is the workload network.
type NCPNetwork struct {
	EdgeCluster  string `json:"nsx_edge_cluster,omitempty"`
	Switch       string `json:"cluster_distributed_switch,omitempty"`
	PodCIDRs     []CIDR `json:"pod_cidrs"`
	IngressCIDRs []CIDR `json:"ingress_cidrs"`
	EgressCIDRs  []CIDR `json:"egress_cidrs"`
}

// ManagementNetwork gives the control plane its addresses.
type ManagementNetwork struct {
	Mode         string        `json:"mode"`
	FloatingIP   string        `json:"floating_IP,omitempty"`
	AddressRange *AddressRange `json:"address_range,omitempty"`
	Network      string        `json:"network"`
}

// AddressRange is consecutive: the first is the floating address, then one for each control plane member, the last a spare.
type AddressRange struct {
	StartingAddress string `json:"starting_address"`
	AddressCount    int    `json:"address_count,omitempty"`
	SubnetMask      string `json:"subnet_mask,omitempty"`
	Gateway         string `json:"gateway"`
}

// ImageStorage is where images go.
type ImageStorage struct {
	StoragePolicy string `json:"storage_policy"`
}

// ImageRegistry is used for image names without one.
type ImageRegistry struct {
	Hostname string `json:"hostname"`
	Port     int    `json:"port,omitempty"`
}

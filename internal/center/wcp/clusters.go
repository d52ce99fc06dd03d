package wcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

type clusterSummary struct {
	Cluster          string `json:"cluster"`
	ClusterName      string `json:"cluster_name"`
	ConfigStatus     string `json:"config_status"`
	KubernetesStatus string `json:"kubernetes_status"`
	Stats            Stats  `json:"stats"`
}

// clusterInfo is all that is known of a Supervisor.
type clusterInfo struct {
	clusterSummary
	StatSummary         Stats              `json:"stat_summary"`
	SizeHint            string             `json:"size_hint"`
	Messages            []message          `json:"messages"`
	KubernetesMessages  []message          `json:"kubernetes_status_messages"`
	ManagementEndpoint  string             `json:"api_server_management_endpoint"`
	ClusterEndpoint     string             `json:"api_server_cluster_endpoint"`
	APIServers          []string           `json:"api_servers"`
	NetworkProvider     string             `json:"network_provider"`
	NCPNetwork          ncpInfo            `json:"ncp_cluster_network_info"`
	ServiceCIDR         CIDR               `json:"service_cidr"`
	ManagementNetwork   *ManagementNetwork `json:"master_management_network,omitempty"`
	MasterDNS           []string           `json:"master_DNS"`
	WorkerDNS           []string           `json:"worker_DNS"`
	MasterSearchDomains []string           `json:"master_DNS_search_domains"`
	MasterDNSNames      []string           `json:"Master_DNS_names"`
	MasterNTPServers    []string           `json:"master_NTP_servers"`
	MasterPolicy        string             `json:"master_storage_policy"`
	EphemeralPolicy     string             `json:"ephemeral_storage_policy"`
	ImageStorage        ImageStorage       `json:"image_storage"`
	LoginBanner         string             `json:"login_banner"`
	ContentLibrary      string             `json:"default_kubernetes_service_content_library,omitempty"`
	Certificate         string             `json:"tls_endpoint_certificate,omitempty"`
	ControlPlane        controlPlaneInfo   `json:"control_plane"`
}

type ncpInfo struct {
	PodCIDRs     []CIDR `json:"pod_cidrs"`
	IngressCIDRs []CIDR `json:"ingress_cidrs"`
	EgressCIDRs  []CIDR `json:"egress_cidrs"`
	EdgeCluster  string `json:"nsx_edge_cluster"`
	Switch       string `json:"cluster_distributed_switch"`
}

type controlPlaneInfo struct {
	Count      int          `json:"count"`
	Deployment string       `json:"deployment"`
	Members    []memberInfo `json:"members"`
}

type memberInfo struct {
	Name    string `json:"name"`
	Host    string `json:"host"`
	Address string `json:"address"`
	Leaving bool   `json:"leaving,omitempty"`
}

func (s *Service) list(r *rest.Request) (any, error) {
	items, err := s.supervisors.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := make([]clusterSummary, 0, len(items))
	for _, item := range items {
		cluster, _, err := s.clusters.Get(r.Context(), item.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, s.summarize(item.ID, cluster, item.Value))
	}
	return list, nil
}

func (s *Service) summarize(id string, cluster inventory.Cluster, supervisor Supervisor) clusterSummary {
	status := s.status.of(id, supervisor)
	return clusterSummary{Cluster: id, ClusterName: cluster.Name, ConfigStatus: status.Config, KubernetesStatus: status.Kubernetes, Stats: status.Stats}
}

func (s *Service) get(r *rest.Request) (any, error) {
	id, cluster, supervisor, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	secrets, _, err := s.secrets.Get(r.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	status, spec := s.status.of(id, supervisor), supervisor.Spec
	info := clusterInfo{
		clusterSummary: s.summarize(id, cluster, supervisor), StatSummary: status.Stats,
		SizeHint: supervisor.Plan.Size, Messages: shown(status), KubernetesMessages: shown(status),
		ManagementEndpoint: supervisor.Plan.Floating.Addr().String(), ClusterEndpoint: supervisor.Plan.Floating.Addr().String(),
		APIServers: addresses(supervisor), NetworkProvider: deref(spec.NetworkProvider, "NSXT_CONTAINER_PLUGIN"),
		NCPNetwork: spec.NCPNetwork.info(supervisor.Plan), ServiceCIDR: cidrOf(supervisor.Plan.ServiceCIDR), ManagementNetwork: spec.ManagementNetwork,
		MasterDNS: list(spec.MasterDNS), WorkerDNS: list(spec.WorkerDNS), MasterSearchDomains: list(spec.MasterDNSSearchDomains),
		MasterDNSNames: list(spec.MasterDNSNames), MasterNTPServers: list(spec.MasterNTPServers),
		MasterPolicy: or(spec.MasterStoragePolicy, DefaultPolicy), EphemeralPolicy: or(spec.EphemeralStoragePolicy, DefaultPolicy),
		ImageStorage: ImageStorage{DefaultPolicy}, LoginBanner: spec.LoginBanner, ContentLibrary: spec.ContentLibrary,
		Certificate: secrets.CA(), ControlPlane: supervisor.controlPlane(),
	}
	if spec.ImageStorage != nil && spec.ImageStorage.StoragePolicy != "" {
		info.ImageStorage = *spec.ImageStorage
	}
	return info, nil
}

func addresses(s Supervisor) []string {
	list := make([]string, 0, len(s.Members))
	for _, m := range s.staying() {
		list = append(list, m.Address.String())
	}
	return list
}

func (s Supervisor) controlPlane() controlPlaneInfo {
	info := controlPlaneInfo{Count: s.Plan.Count, Deployment: s.Plan.Deployment, Members: make([]memberInfo, 0, len(s.Members))}
	for _, m := range s.Members {
		info.Deployment = m.Deployment
		info.Members = append(info.Members, memberInfo{Name: m.Name, Host: m.Host, Address: m.Address.String(), Leaving: m.Leaving})
	}
	return info
}

func (n *NCPNetwork) info(plan Plan) ncpInfo {
	info := ncpInfo{PodCIDRs: []CIDR{cidrOf(plan.PodCIDR)}, IngressCIDRs: []CIDR{}, EgressCIDRs: []CIDR{}}
	if n != nil {
		info.EdgeCluster, info.Switch = n.EdgeCluster, n.Switch
		info.IngressCIDRs, info.EgressCIDRs = list(n.IngressCIDRs), list(n.EgressCIDRs)
	}
	return info
}

// list is never null in JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func (s *Service) enable(r *rest.Request) (any, error) {
	id, _, err := s.cluster(r)
	if err != nil {
		return nil, err
	}
	var spec EnableSpec
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	return nil, s.Enable(r.Context(), id, spec)
}

// Enable makes a cluster a Supervisor; it returns when that is written down.
func (s *Service) Enable(ctx context.Context, cluster string, spec EnableSpec) error {
	policies, err := s.Policies.Names(ctx)
	if err != nil {
		return err
	}
	plan, err := spec.validate(policies)
	if err != nil {
		return err
	}
	if err := s.roomFor(ctx, cluster, plan); err != nil {
		return err
	}
	if err := s.overlapsOther(ctx, cluster, plan); err != nil {
		return err
	}
	err = s.supervisors.Create(ctx, cluster, Supervisor{Spec: spec, Plan: plan, Enabled: s.now().UTC(), Members: []Member{}})
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	if earlier, _, err := s.supervisors.Get(ctx, cluster); err == nil && earlier.Removing {
		return vapi.NotAllowedInCurrentState("cluster.removing", "cluster %s is just being disabled; GET %s/clusters/%s says what it waits for", cluster, base, cluster)
	}
	return vapi.AlreadyExists("cluster.enabled", "cluster %s is a Supervisor already; change it with PATCH, or disable it first", cluster)
}

// roomFor demands the hosts that the control plane takes, so that a mistake shows at once.
func (s *Service) roomFor(ctx context.Context, cluster string, plan Plan) error {
	hosts, err := s.config.Fleet.Hosts(ctx, cluster)
	if err != nil {
		return err
	}
	st := step{Supervisor: Supervisor{Plan: plan}, facts: Facts{Hosts: hosts}}
	if fit := st.candidates(); len(fit) < plan.Count {
		return vapi.NotAllowedInCurrentState("cluster.hosts", "%d control plane members take %d hosts, since no two may be on one; cluster %s has %d that can have one%s: add hosts, or ask for fewer members",
			plan.Count, plan.Count, cluster, len(fit), st.unfit())
	}
	return nil
}

// overlapsOther refuses management addresses that another Supervisor has.
func (s *Service) overlapsOther(ctx context.Context, cluster string, plan Plan) error {
	items, err := s.supervisors.List(ctx)
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.ID == cluster {
			continue
		}
		taken := append(slices.Clone(item.Value.Plan.Addresses), item.Value.Plan.Floating.Addr())
		for _, address := range append(slices.Clone(plan.Addresses), plan.Floating.Addr()) {
			if slices.Contains(taken, address) {
				return vapi.InvalidArgument("cluster.management.taken", "address %s belongs to the Supervisor of cluster %s; give another address_range", address, item.ID)
			}
		}
	}
	return nil
}

func (s *Service) disable(r *rest.Request) (any, error) {
	id, _, _, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	_, err = s.supervisors.Update(r.Context(), id, func(supervisor *Supervisor) error {
		if supervisor.Removing {
			return vapi.NotAllowedInCurrentState("cluster.removing", "cluster %s is being disabled already; GET %s/clusters/%s says what it waits for", id, base, id)
		}
		supervisor.Removing = true
		return nil
	})
	return nil, notEnabled(id, err)
}

// changeable are the fields of the specification that PATCH may change; others decide what was built.
var changeable = []string{"login_banner", "master_storage_policy", "ephemeral_storage_policy", "image_storage", "default_image_registry", "default_image_repository", "default_kubernetes_service_content_library"}

func (s *Service) update(r *rest.Request) (any, error) {
	id, _, _, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := r.Decode(&fields); err != nil {
		return nil, err
	}
	policies, err := s.Policies.Names(r.Context())
	if err != nil {
		return nil, err
	}
	_, err = s.supervisors.Update(r.Context(), id, func(supervisor *Supervisor) error {
		if supervisor.Removing {
			return vapi.NotAllowedInCurrentState("cluster.removing", "cluster %s is being disabled", id)
		}
		return supervisor.Spec.patch(fields, policies)
	})
	return nil, notEnabled(id, err)
}

// patch sets the fields of a PATCH; one that repeats what is there is fine.
func (s *EnableSpec) patch(fields map[string]json.RawMessage, policies map[string]string) error {
	before, err := toFields(*s)
	if err != nil {
		return err
	}
	merged := maps.Clone(before)
	maps.Copy(merged, fields)
	data, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	var wanted EnableSpec
	if err := rest.DecodeJSON(data, &wanted); err != nil {
		return err
	}
	after, err := toFields(wanted)
	if err != nil {
		return err
	}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(changeable, field) && !bytes.Equal(before[field], after[field]) {
			return vapi.Unsupported("cluster.immutable", "%s cannot be changed on a Supervisor that is there; possible are %s", field, strings.Join(changeable, ", "))
		}
	}
	if _, err := wanted.validate(policies); err != nil {
		return err
	}
	*s = wanted
	return nil
}

func toFields(spec EnableSpec) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encode specification: %w", err)
	}
	fields := map[string]json.RawMessage{}
	return fields, json.Unmarshal(data, &fields)
}

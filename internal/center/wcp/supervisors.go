package wcp

import (
	"encoding/json"

	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
)

// supervisorStats have both spellings: the API's, and the one that govmomi reads.
type supervisorStats struct {
	Stats
	CPUsUsed     int64 `json:"cpus_used"`
	CPUsCapacity int64 `json:"cpus_capacity"`
}

type supervisorSummary struct {
	Name             string          `json:"name"`
	Stats            supervisorStats `json:"stats"`
	ConfigStatus     string          `json:"config_status"`
	KubernetesStatus string          `json:"kubernetes_status"`
	APIEndpoint      string          `json:"api_endpoint,omitempty"`
	Messages         []message       `json:"messages,omitempty"`
}

type supervisorItem struct {
	Supervisor string            `json:"supervisor"`
	Info       supervisorSummary `json:"info"`
}

func (s *Service) summaries(r *rest.Request) (any, error) {
	items, err := s.supervisors.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := make([]supervisorItem, 0, len(items))
	for _, item := range items {
		cluster, _, err := s.clusters.Get(r.Context(), item.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, supervisorItem{item.ID, s.summaryOf(item.ID, cluster, item.Value)})
	}
	return map[string]any{"items": list}, nil
}

func (s *Service) summaryOf(id string, cluster inventory.Cluster, supervisor Supervisor) supervisorSummary {
	status := s.status.of(id, supervisor)
	return supervisorSummary{
		Name: cluster.Name, ConfigStatus: status.Config, KubernetesStatus: status.Kubernetes,
		Stats: supervisorStats{status.Stats, status.Stats.CPUUsed, status.Stats.CPUCapacity},
	}
}

func (s *Service) summary(r *rest.Request) (any, error) {
	id, cluster, supervisor, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	summary := s.summaryOf(id, cluster, supervisor)
	summary.APIEndpoint = supervisor.Plan.Floating.Addr().String()
	summary.Messages = shown(s.status.of(id, supervisor))
	return summary, nil
}

func (s *Service) topology(r *rest.Request) (any, error) {
	id, cluster, _, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	return []map[string]any{{"zone": cluster.Name, "clusters": []string{id}}}, nil
}

// ipManagement gives out the addresses of a network.
type ipManagement struct {
	Gateway     string `json:"gateway_address"` // CIDR notation
	Assignments []struct {
		Assignee string `json:"assignee"`
		Ranges   []struct {
			Address string `json:"address"`
			Count   int    `json:"count"`
		} `json:"ranges"`
	} `json:"ip_assignments"`
}

// computeClusterSpec is the body of enable_on_compute_cluster, as far as Pacific goes by it. The rest is accepted.
type computeClusterSpec struct {
	Name         string `json:"name"`
	ControlPlane struct {
		Network struct {
			Floating     string       `json:"floating_ip_address"`
			IPManagement ipManagement `json:"ip_management"`
		} `json:"network"`
		LoginBanner   string `json:"login_banner"`
		Size          string `json:"size"`
		StoragePolicy string `json:"storage_policy"`
		Count         *int   `json:"count"`
	} `json:"control_plane"`
	Workloads struct {
		Network struct {
			IPManagement ipManagement `json:"ip_management"`
		} `json:"network"`
		KubeAPIServerOptions struct {
			Security struct {
				Names []string `json:"certificate_dns_names"`
			} `json:"security"`
		} `json:"kube_api_server_options"`
		Storage struct {
			Ephemeral string `json:"ephemeral_storage_policy"`
			Image     string `json:"image_storage_policy"`
		} `json:"storage"`
	} `json:"workloads"`
}

func (s *Service) enableOnComputeCluster(r *rest.Request) (any, error) {
	id, _, err := s.cluster(r)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := r.Decode(&raw); err != nil {
		return nil, err
	}
	var body computeClusterSpec
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, vapi.InvalidArgument("body", "the body is not valid: %v", err)
	}
	spec, err := body.translate()
	if err != nil {
		return nil, err
	}
	return id, s.Enable(r.Context(), id, spec)
}

// translate makes the older specification of it, which the service works with.
func (b computeClusterSpec) translate() (EnableSpec, error) {
	plane := b.ControlPlane
	management := plane.Network.IPManagement
	spec := EnableSpec{
		LoginBanner: plane.LoginBanner, MasterStoragePolicy: plane.StoragePolicy, MasterDNSNames: b.Workloads.KubeAPIServerOptions.Security.Names,
		EphemeralStoragePolicy: b.Workloads.Storage.Ephemeral, ControlPlane: &ControlPlane{Count: plane.Count},
	}
	if image := b.Workloads.Storage.Image; image != "" {
		spec.ImageStorage = &ImageStorage{image}
	}
	if plane.Size != "" {
		spec.SizeHint = &plane.Size
	}
	network := &ManagementNetwork{Mode: "STATICRANGE", FloatingIP: plane.Network.Floating}
	for _, assignment := range management.Assignments {
		if (assignment.Assignee == "NODE" || assignment.Assignee == "") && len(assignment.Ranges) == 1 {
			network.AddressRange = &AddressRange{StartingAddress: assignment.Ranges[0].Address, AddressCount: assignment.Ranges[0].Count}
		}
	}
	if network.AddressRange == nil {
		return spec, vapi.InvalidArgument("supervisor.ip_management", "control_plane.network.ip_management.ip_assignments needs one entry with assignee NODE and one range: the control plane's addresses")
	}
	if management.Gateway != "" {
		gateway, mask, err := splitGateway(management.Gateway)
		if err != nil {
			return spec, err
		}
		network.AddressRange.Gateway, network.AddressRange.SubnetMask = gateway, mask
	}
	spec.ManagementNetwork = network
	return spec, b.workloadNetworks(&spec)
}

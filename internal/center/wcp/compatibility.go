package wcp

import (
	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
)

type compatibility struct {
	Cluster    string    `json:"cluster"`
	Compatible bool      `json:"compatible"`
	Reasons    []details `json:"incompatibility_reasons"`
}

// compatibility of all clusters; with ?compatible= only those that are, or are not.
func (s *Service) compatibility(r *rest.Request) (any, error) {
	items, err := s.clusters.List(r.Context())
	if err != nil {
		return nil, err
	}
	only := r.URL.Query().Get("compatible")
	if only != "" && only != "true" && only != "false" {
		return nil, vapi.InvalidArgument("compatible", "compatible=%s: give true or false", only)
	}
	all := []compatibility{}
	for _, item := range items {
		one := compatibility{Cluster: item.ID, Reasons: []details{}}
		hosts, err := s.config.Fleet.Hosts(r.Context(), item.ID)
		if err != nil {
			return nil, err
		}
		st := step{facts: Facts{Hosts: hosts}}
		one.Compatible = len(st.candidates()) > 0
		if !one.Compatible {
			text := "no host of the cluster can have a control plane member" + st.unfit()
			one.Reasons = append(one.Reasons, details{ID: "pacific.cluster.hosts", Text: text, Args: []string{}})
		}
		if only == "" || (only == "true") == one.Compatible {
			all = append(all, one)
		}
	}
	return all, nil
}

// The network that Pacific brings stands for a switch and an edge cluster, for clients that ask for one.
const (
	Switch   = "dvs-1"
	Edge     = "edge-1"
	EdgeName = "pacific-edge"
)

func (s *Service) knownCluster(r *rest.Request) error {
	id := r.URL.Query().Get("cluster")
	if _, _, err := s.clusters.Get(r.Context(), id); err != nil {
		return vapi.NotFound("cluster.not_found", "there is no cluster %q", id)
	}
	return nil
}

func (s *Service) switches(r *rest.Request) (any, error) {
	if err := s.knownCluster(r); err != nil {
		return nil, err
	}
	return []map[string]any{{"compatible": true, "distributed_switch": Switch}}, nil
}

func (s *Service) edges(r *rest.Request) (any, error) {
	if err := s.knownCluster(r); err != nil {
		return nil, err
	}
	return []map[string]any{{"compatible": true, "edge_cluster": Edge, "display_name": EdgeName}}, nil
}

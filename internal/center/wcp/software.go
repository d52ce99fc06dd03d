package wcp

import (
	"time"

	"pacific/internal/center/rest"
)

type softwareSummary struct {
	Cluster           string    `json:"cluster"`
	ClusterName       string    `json:"cluster_name"`
	CurrentVersion    string    `json:"current_version"`
	AvailableVersions []string  `json:"available_versions"`
	LastUpgraded      time.Time `json:"last_upgraded_date"`
	State             string    `json:"state"`
}

type softwareInfo struct {
	softwareSummary
	Messages []message `json:"messages"`
}

func (s *Service) software(r *rest.Request) (any, error) {
	items, err := s.supervisors.List(r.Context())
	if err != nil {
		return nil, err
	}
	list := make([]softwareSummary, 0, len(items))
	for _, item := range items {
		cluster, _, err := s.clusters.Get(r.Context(), item.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, s.softwareSummary(item.ID, cluster.Name, item.Value))
	}
	return list, nil
}

func (s *Service) softwareSummary(id, name string, supervisor Supervisor) softwareSummary {
	summary := softwareSummary{
		Cluster: id, ClusterName: name, CurrentVersion: s.config.Version, AvailableVersions: []string{},
		LastUpgraded: supervisor.Enabled, State: "READY",
	}
	if !supervisor.Running {
		summary.State = "PENDING"
	}
	return summary
}

func (s *Service) softwareOf(r *rest.Request) (any, error) {
	id, cluster, supervisor, err := s.supervisor(r)
	if err != nil {
		return nil, err
	}
	return softwareInfo{s.softwareSummary(id, cluster.Name, supervisor), []message{}}, nil
}

// versions that center can bring to a Supervisor: the one that it was built with.
func (s *Service) versions(*rest.Request) (any, error) {
	return []map[string]any{{"version": s.config.Version, "name": "Kubernetes " + s.config.Version, "description": "Supervisor with Kubernetes " + s.config.Version}}, nil
}

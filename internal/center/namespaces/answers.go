package namespaces

import (
	"context"
	"errors"
	"slices"

	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/store"
)

// summary of a namespace. Version 1 of the API names the cluster, version 2 the Supervisor.
type summary struct {
	Cluster      string       `json:"cluster,omitempty"`
	Supervisor   string       `json:"supervisor,omitempty"`
	Namespace    string       `json:"namespace"`
	Description  string       `json:"description"`
	ConfigStatus ConfigStatus `json:"config_status"`
	Stats        Usage        `json:"stats"`
	SelfService  bool         `json:"self_service_namespace"`
}

// info of a namespace.
type info struct {
	Cluster      string       `json:"cluster,omitempty"`
	Supervisor   string       `json:"supervisor,omitempty"`
	ConfigStatus ConfigStatus `json:"config_status"`
	Messages     []Message    `json:"messages"`
	Stats        Usage        `json:"stats"`
	SelfService  bool         `json:"self_service_namespace"`
	spec.Settings
	Networks []string        `json:"networks"`
	Creator  *spec.Principal `json:"creator,omitempty"`
	// ResourcePool and Folder are Pacific's own.
	ResourcePool string `json:"resource_pool"`
	Folder       string `json:"vm_folder"`
}

// version of the API.
type version int

func (v version) id(cluster string) (v1, v2 string) {
	if v == 2 {
		return "", cluster
	}
	return cluster, ""
}

func (s *Service) summaries(ctx context.Context, v version) ([]summary, error) {
	items, err := s.records.List(ctx)
	if err != nil {
		return nil, err
	}
	statuses, err := s.statuses.List(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]Status{}
	for _, status := range statuses {
		found[status.ID] = status.Value
	}
	list := []summary{}
	for _, item := range items {
		r := item.Value
		cluster, supervisor := v.id(r.Cluster)
		list = append(list, summary{
			Cluster: cluster, Supervisor: supervisor, Namespace: item.ID, Description: r.Settings.Description,
			ConfigStatus: r.shown(found[item.ID]).Config, Stats: s.usage(r.Cluster, item.ID), SelfService: r.SelfService,
		})
	}
	return list, nil
}

func (s *Service) info(ctx context.Context, name string, v version) (info, error) {
	record, err := s.record(ctx, name)
	if err != nil {
		return info{}, err
	}
	found, err := s.status(ctx, name)
	if err != nil {
		return info{}, err
	}
	status := record.shown(found)
	cluster, supervisor := v.id(record.Cluster)
	return info{
		Cluster: cluster, Supervisor: supervisor, ConfigStatus: status.Config, Messages: nonNil(status.Messages),
		Stats: s.usage(record.Cluster, name), SelfService: record.SelfService, Settings: withLists(record.Settings),
		Networks: []string{}, Creator: record.Creator, ResourcePool: record.ResourcePool, Folder: record.Folder,
	}, nil
}

func (s *Service) status(ctx context.Context, name string) (Status, error) {
	status, _, err := s.statuses.Get(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return Status{}, nil
	}
	return status, err
}

func (s *Service) usage(cluster, name string) Usage {
	if s.config.Meter == nil {
		return Usage{}
	}
	return s.config.Meter.Usage(cluster, name)
}

func nonNil[T any](list []T) []T {
	return append([]T{}, slices.Clone(list)...)
}

// withLists shows lists without entries as such.
func withLists(s spec.Settings) spec.Settings {
	s.Access, s.Storage, s.ContentLibraries = nonNil(s.Access), nonNil(s.Storage), nonNil(s.ContentLibraries)
	return s
}

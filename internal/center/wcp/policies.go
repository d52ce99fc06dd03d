package wcp

import (
	"context"
	"errors"

	"pacific/internal/center/rest"
	"pacific/internal/center/store"
)

// StoragePolicy says how storage is to be; the record's id is the policy's.
type StoragePolicy struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// DefaultPolicy is there from the start: the local datastore of each host.
const (
	DefaultPolicy     = "3f2c1b7e-8d4a-4f0e-9a56-5e0d6c7b1a20"
	DefaultPolicyName = "Pacific Default Storage Policy"
)

// Policies are the storage policies.
type Policies struct {
	records store.Collection[StoragePolicy]
}

// NewPolicies keeps policies in the store.
func NewPolicies(s *store.Store) *Policies {
	return &Policies{records: store.Of[StoragePolicy](s, "storage-policies")}
}

// EnsureBuiltin makes the default policy where it is not.
func (p *Policies) EnsureBuiltin(ctx context.Context) error {
	err := p.records.Create(ctx, DefaultPolicy, StoragePolicy{Name: DefaultPolicyName, Description: "Disks on the datastore of the host that runs the machine"})
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

// Names of the policies by id.
func (p *Policies) Names(ctx context.Context) (map[string]string, error) {
	items, err := p.records.List(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, item := range items {
		names[item.ID] = item.Value.Name
	}
	return names, nil
}

// Routes of the policies.
func (p *Policies) Routes() []rest.Route {
	return []rest.Route{{Method: "GET", Path: "/api/vcenter/storage/policies", Access: rest.Reader, Handle: p.list}}
}

type policyInfo struct {
	Policy string `json:"policy"`
	StoragePolicy
}

func (p *Policies) list(r *rest.Request) (any, error) {
	items, err := p.records.List(r.Context())
	if err != nil {
		return nil, err
	}
	infos := make([]policyInfo, 0, len(items))
	for _, item := range items {
		infos = append(infos, policyInfo{item.ID, item.Value})
	}
	return infos, nil
}

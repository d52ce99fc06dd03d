package center

import (
	"context"
	"slices"

	"pacific/internal/center/exchange"
	"pacific/internal/center/inventory"
	"pacific/internal/center/sso"
	"pacific/internal/center/store"
)

// tokens is the Token Exchange Service.
func (s *services) tokens(records *store.Store, signOn *sso.Service) *exchange.Service {
	return exchange.New(exchange.Config{
		Store: records, Issuer: s.config.issuer(),
		Verifier: exchange.BySignOn(signOn), Audiences: clusters{inventory.Clusters(records)},
	})
}

// clusters are the audiences of tokens: the Supervisor of a cluster has the cluster's id.
type clusters struct {
	store.Collection[inventory.Cluster]
}

// Has implements [exchange.Audiences].
func (c clusters) Has(ctx context.Context, audience string) (bool, error) {
	all, err := c.List(ctx)
	return slices.ContainsFunc(all, func(i store.Item[inventory.Cluster]) bool { return i.ID == audience }), err
}

package firewall

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/knftables"
)

// RemoveAll deletes the tables of a host that is none any more: the ports', and the Services' by kube-proxy's code.
func RemoveAll(ctx context.Context) error {
	var errs []error
	for _, t := range []struct {
		family knftables.Family
		name   string
	}{{knftables.InetFamily, table}, {knftables.IPv4Family, "kube-proxy"}, {knftables.IPv6Family, "kube-proxy"}} {
		nft, err := knftables.New(t.family, t.name)
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		tx := nft.NewTransaction()
		tx.Add(&knftables.Table{}) // so that deleting it never fails
		tx.Delete(&knftables.Table{})
		if err := nft.Run(ctx, tx); err != nil {
			errs = append(errs, fmt.Errorf("delete nftables table %s %s: %w", t.family, t.name, err))
		}
	}
	return errors.Join(errs...)
}

package network

import (
	"context"
	"fmt"

	"sigs.k8s.io/knftables"

	"pacific/internal/onemachine/plan"
)

// masquerade hides the instance's addresses from the outside. The table is the instance's own, so that instances and the
// machine's firewall do not meet.
func masquerade(ctx context.Context, n plan.Network) error {
	nft, err := knftables.New(knftables.IPv4Family, n.Table)
	if err != nil {
		return err
	}
	return nft.Run(ctx, masqueradeRules(nft, n))
}

func masqueradeRules(nft knftables.Interface, n plan.Network) *knftables.Transaction {
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Pacific, one-machine mode: traffic of " + n.Subnet.String() + " to the outside")})
	tx.Add(&knftables.Chain{
		Name:     "postrouting",
		Type:     knftables.PtrTo(knftables.NATType),
		Hook:     knftables.PtrTo(knftables.PostroutingHook),
		Priority: knftables.PtrTo(knftables.SNATPriority),
	})
	tx.Flush(&knftables.Chain{Name: "postrouting"})
	tx.Add(&knftables.Rule{
		Chain: "postrouting",
		Rule:  knftables.Concat("ip saddr", n.Subnet, "oifname !=", fmt.Sprintf("%q", n.Bridge), "masquerade"),
	})
	return tx
}

func deleteTable(ctx context.Context, table string) error {
	nft, err := knftables.New(knftables.IPv4Family, table)
	if err != nil {
		return err
	}
	tx := nft.NewTransaction()
	// Adding first makes the deletion of a table that is not there succeed.
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	return nft.Run(ctx, tx)
}

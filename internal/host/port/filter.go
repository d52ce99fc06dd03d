package port

import (
	"context"
	"strings"
	"time"

	"sigs.k8s.io/knftables"
)

// The filter of bridged ports is a table of the family bridge: of each port only frames from its guest's hardware address come in, and
// only ARP that speaks for that. Addresses of the guest's are not looked at, since one may move from machine to machine.
const (
	filterTable = "pacific-ports"
	sources     = "sources" // interface . hardware address
)

// filterTimeout bounds a call of nft.
const filterTimeout = 20 * time.Second

func filter() (knftables.Interface, *knftables.Transaction, error) {
	nft, err := knftables.New(knftables.BridgeFamily, filterTable)
	if err != nil {
		return nil, nil, err
	}
	return nft, nft.NewTransaction(), nil
}

func allowSource(name, mac string) error {
	nft, tx, err := filter()
	if err != nil {
		return err
	}
	filterRules(tx)
	tx.Add(&knftables.Element{Set: sources, Key: []string{name, mac}})
	ctx, cancel := context.WithTimeout(context.Background(), filterTimeout)
	defer cancel()
	return nft.Run(ctx, tx)
}

func filterRules(tx *knftables.Transaction) {
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Pacific: hardware addresses of machines on the management bridge")})
	tx.Add(&knftables.Set{Name: sources, Type: "ifname . ether_addr"})
	chain := &knftables.Chain{
		Name: "prerouting", Type: knftables.PtrTo(knftables.FilterType), Hook: knftables.PtrTo(knftables.PreroutingHook),
		Priority: knftables.PtrTo(knftables.BaseChainPriority("-300")),
	}
	tx.Add(chain)
	tx.Flush(chain)
	from := "iifname " + bridgedPrefix + "* "
	tx.Add(&knftables.Rule{Chain: chain.Name, Rule: from + "iifname . ether saddr != @" + sources + " counter drop"})
	tx.Add(&knftables.Rule{Chain: chain.Name, Rule: from + "ether type arp iifname . arp saddr ether != @" + sources + " counter drop"})
}

// forbidSources takes a port that is gone out of the filter.
func forbidSources(name string) error {
	nft, tx, err := filter()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), filterTimeout)
	defer cancel()
	elements, err := nft.ListElements(ctx, "set", sources)
	if knftables.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	found := false
	for _, e := range elements {
		if len(e.Key) > 0 && e.Key[0] == name {
			tx.Delete(e)
			found = true
		}
	}
	if !found {
		return nil
	}
	return nft.Run(ctx, tx)
}

func isBridged(name string) bool { return strings.HasPrefix(name, bridgedPrefix) }

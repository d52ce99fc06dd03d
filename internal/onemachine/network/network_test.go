package network

import (
	"net"
	"net/netip"
	"testing"

	"sigs.k8s.io/knftables"

	"pacific/internal/onemachine/plan"
)

func TestMasqueradeRules(t *testing.T) {
	nft := knftables.NewFake(knftables.IPv4Family, "pacific-3")
	n := plan.Network{Bridge: "pac3", Table: "pacific-3", Subnet: netip.MustParsePrefix("10.77.3.0/24")}
	for range 2 { // the second time must not double the rule
		if err := nft.Run(t.Context(), masqueradeRules(nft, n)); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := nft.ListRules(t.Context(), "postrouting")
	if err != nil || len(rules) != 1 {
		t.Fatalf("%d rules, %v", len(rules), err)
	}
	if want := `ip saddr 10.77.3.0/24 oifname != "pac3" masquerade`; rules[0].Rule != want {
		t.Errorf("got  %s\nwant %s", rules[0].Rule, want)
	}
}

func TestOverlaps(t *testing.T) {
	subnet := netip.MustParsePrefix("10.77.1.0/24")
	for route, want := range map[string]bool{
		"10.0.0.0/8": true, "10.77.1.128/25": true, "10.77.2.0/24": false, "192.168.0.0/16": false, "0.0.0.0/0": false, "fd00::/8": false,
	} {
		_, dst, err := net.ParseCIDR(route)
		if err != nil {
			t.Fatal(err)
		}
		if got := overlaps(dst, subnet); got != want {
			t.Errorf("%s: %v", route, got)
		}
	}
}

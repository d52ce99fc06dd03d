package firewall

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/knftables"

	"pacific/internal/dataplane/plan"
)

func rules() Rules {
	return Rules{
		Host:     netip.MustParseAddr("192.0.2.1"),
		Prefixes: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"), netip.MustParsePrefix("fd00:1::/64")},
		Ports: []plan.Port{
			{Pod: &corev1.Pod{}, Interface: "tap0123456789ab", MAC: "02:50:56:00:00:01", Addresses: []netip.Addr{netip.MustParseAddr("10.244.1.5")},
				HostPorts: []plan.HostPort{{Protocol: "tcp", Port: 8080, Container: 80}, {Host: netip.MustParseAddr("192.0.2.1"), Protocol: "udp", Port: 53, Container: 5353}}},
			{Pod: &corev1.Pod{}, Interface: "tapba9876543210", MAC: "02:50:56:00:00:02", Addresses: []netip.Addr{
				netip.MustParseAddr("10.244.1.6"), netip.MustParseAddr("fd00:1::6"),
			}, HostPorts: []plan.HostPort{{Protocol: "tcp", Port: 8080, Container: 81}, {Protocol: "tcp", Port: 8081, Container: 81}}},
			{Pod: &corev1.Pod{}, Interface: "tapfedcba987654", MAC: "02:50:56:00:00:03", Addresses: []netip.Addr{netip.MustParseAddr("10.244.1.7")},
				HostPorts: []plan.HostPort{{Protocol: "tcp", Port: 9100, Container: 9100}}, HostNetwork: true},
		},
	}
}

// TestTable compares the table with testdata/table.nft; REWRITE=1 writes it.
func TestTable(t *testing.T) {
	fake := knftables.NewFake(knftables.InetFamily, table)
	firewall := &Firewall{fake}
	for _, r := range []Rules{{}, rules(), rules()} { // what it becomes does not depend on what it was
		if err := firewall.Apply(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	golden := filepath.Join("testdata", "table.nft")
	if os.Getenv("REWRITE") != "" {
		if err := os.WriteFile(golden, []byte(fake.Dump()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := fake.Dump(); got != string(want) {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
	if err := firewall.Apply(context.Background(), Rules{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fake.Dump(), "add element") {
		t.Errorf("elements are left without ports:\n%s", fake.Dump())
	}
}

func TestEqual(t *testing.T) {
	if !rules().Equal(rules()) {
		t.Error("equal rules differ")
	}
	for name, change := range map[string]func(*Rules){
		"address":   func(r *Rules) { r.Ports[1].Addresses = r.Ports[1].Addresses[:1] },
		"MAC":       func(r *Rules) { r.Ports[0].MAC = "02:50:56:00:00:09" },
		"interface": func(r *Rules) { r.Ports[0].Interface = "tap000000000000" },
		"port":      func(r *Rules) { r.Ports = r.Ports[:1] },
		"host port": func(r *Rules) { r.Ports[0].HostPorts = nil },
		"prefix":    func(r *Rules) { r.Prefixes = nil },
		"host":      func(r *Rules) { r.Host = netip.MustParseAddr("192.0.2.2") },
		"network":   func(r *Rules) { r.Ports[0].HostNetwork = true },
	} {
		changed := rules()
		if change(&changed); changed.Equal(rules()) {
			t.Errorf("another %s makes no difference", name)
		}
	}
}

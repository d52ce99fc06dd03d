package apiserver

import (
	"flag"
	"net"
	"os"
	"strings"
	"testing"

	"pacific/internal/supervisor/pki"
)

var update = flag.Bool("update", false, "write the golden files")

var config = Config{
	Layout:      pki.Layout{DataDir: "/data"},
	Advertise:   net.IPv4(10, 77, 0, 2),
	Bind:        net.IPv4(10, 77, 0, 2),
	Port:        6443,
	ServiceCIDR: "10.96.0.0/16",
	Etcd:        "unix:///data/etcd/client.sock",
}

func TestArgs(t *testing.T) {
	got := strings.Join(Args(config), "\n") + "\n"
	const golden = "testdata/args.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestUpstreamKnowsTheArgs(t *testing.T) {
	if _, err := New(config); err != nil {
		t.Error(err)
	}
}

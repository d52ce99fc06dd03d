package network

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/onemachine/plan"
)

// testID is far from those that a machine's own instances get.
const testID = 253

// TestNetworkOnThisKernel makes a network twice, looks at it with ip and ping, and removes it twice.
func TestNetworkOnThisKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	l := layout.Layout{ID: testID}
	if err := Free(testID); err != nil {
		t.Skip(err)
	}
	n := plan.Of(instance.Instance{ID: testID, Hosts: 2}).Network
	t.Cleanup(func() { _ = Delete(t.Context(), l); _ = RestoreForwarding() })
	for range 2 {
		if err := Apply(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "ip", "netns", "exec", l.Namespace("host-1"), "ping", "-c1", "-W2", l.HostAddress(2).String())
	run(t, "ip", "netns", "exec", l.Namespace("host-2"), "ping", "-c1", "-W2", l.Gateway().String())
	run(t, "ping", "-c1", "-W2", l.CenterAddress().String())
	if err := Free(testID); err != nil {
		t.Errorf("the instance is in its own way: %v", err)
	}
	for range 2 {
		if err := Delete(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range [][]string{{"ip", "-br", "link"}, {"ip", "netns"}, {"nft", "list", "tables"}} {
		out := run(t, list...)
		if strings.Contains(out, l.Bridge()) || strings.Contains(out, l.Table()) {
			t.Errorf("%v still shows the instance:\n%s", list, out)
		}
	}
}

func TestProbe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, err := range Probe(t.Context()) {
		t.Error(err)
	}
}

func run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"pacific/internal/onemachine/instance"
)

// TestPlans compares plans with testdata/plans; go test -rewrite writes it anew.
func TestPlans(t *testing.T) {
	datadriven.RunTest(t, "testdata/plans", func(t *testing.T, d *datadriven.TestData) string {
		in := instance.Instance{Home: "/var/lib/pacific", Options: instance.Options{BinDir: "/opt/pacific/bin", Accelerator: "auto", HostCPUs: 2, HostMemory: 4 << 30}}
		d.ScanArgs(t, "id", &in.ID)
		d.ScanArgs(t, "hosts", &in.Hosts)
		switch d.Cmd {
		case "network":
			return Of(in).Network.String()
		case "daemons":
			return daemonsText(Of(in).Daemons)
		}
		return "unknown command " + d.Cmd
	})
}

func daemonsText(daemons []Daemon) string {
	var b strings.Builder
	for _, d := range daemons {
		fmt.Fprintf(&b, "%s in %q log %s after-supervisor %v\n  %s\n", d.Name, d.Namespace, d.Log, d.AfterSupervisor, strings.Join(d.Command(), "\n    "))
	}
	return b.String()
}

func TestNamesFitTheKernel(t *testing.T) {
	in := instance.Instance{ID: 254, Home: "/h", Hosts: instance.MaxHosts}
	for _, m := range Of(in).Network.Machines {
		if len(m.Port) > 15 {
			t.Errorf("interface name %s is longer than 15 characters", m.Port)
		}
	}
}

// Command dataplane connects the pods of a host.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"pacific/internal/daemon"
	"pacific/internal/dataplane"
)

func main() {
	var config dataplane.Config
	daemon.Main("dataplane", "connects the pods of a host: overlay, ports, Services", func(flags *pflag.FlagSet) {
		flags.StringVar(&config.NodeName, "node-name", "", "name of the host's Node")
		flags.StringVar(&config.NodeIP, "node-ip", "", "address of the host")
		flags.StringVar(&config.Kubeconfig, "kubeconfig", "", "how to reach the API server")
		flags.StringVar(&config.Interface, "interface", "eth0", "interface that carries the address of the host")
		flags.BoolVar(&config.ControlPlane, "control-plane", false, "take part in routing and Services, but have no pods")
		flags.StringVar(&config.HealthAddress, "health-address", "", "address for /healthz and /metrics, e.g. 127.0.0.1:10249; empty for off")
	}, func(ctx context.Context) error { return dataplane.Run(ctx, config) })
}

// Supervisor is the control plane of a cluster of hosts.
package main

import (
	"context"

	"pacific/internal/daemon"
	"pacific/internal/supervisor"
)

func main() {
	var config supervisor.Config
	daemon.Main("supervisor", "Runs the control plane of a cluster of hosts.", config.AddFlags, func(ctx context.Context) error {
		return supervisor.Run(ctx, config)
	})
}

// Center is the management plane of a fleet of hosts.
package main

import (
	"context"

	"pacific/internal/center"
	"pacific/internal/daemon"
)

func main() {
	var config center.Config
	daemon.Main("center", "Runs the management plane of a fleet of hosts.", config.AddFlags, func(ctx context.Context) error {
		return center.Run(ctx, config)
	})
}

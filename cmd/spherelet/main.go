// Command spherelet makes a host a Kubernetes node for Native Pods.
package main

import (
	"context"

	"pacific/internal/daemon"
	"pacific/internal/spherelet"
)

func main() {
	options := &spherelet.Options{}
	daemon.Main("spherelet", "makes this host a Kubernetes node for Native Pods", options.AddFlags, func(ctx context.Context) error {
		return spherelet.Run(ctx, options)
	})
}

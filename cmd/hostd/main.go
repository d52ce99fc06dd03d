// Hostd is the hypervisor daemon of a host. See docs/hostd.md.
package main

import (
	"context"

	"github.com/spf13/pflag"

	"pacific/internal/daemon"
	"pacific/internal/host"
)

// version is stamped by the linker.
var version = "dev"

func main() {
	options := host.DefaultOptions()
	options.Version = version
	daemon.Main("hostd", "The hypervisor daemon of a host",
		func(flags *pflag.FlagSet) { options.AddFlags(flags) },
		func(ctx context.Context) error { return host.Run(ctx, options) })
}

// Command registry is the OCI registry of the one-machine mode.
package main

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/pflag"

	"pacific/internal/daemon"
	"pacific/internal/pki"
	"pacific/internal/registry"
)

func main() {
	var config registry.Config
	var listen, certFile, keyFile string
	daemon.Main("registry", "OCI registry of the one-machine mode", func(flags *pflag.FlagSet) {
		flags.StringVar(&listen, "listen", "127.0.0.1:5000", "address to serve at, IP:PORT")
		flags.StringVar(&config.DataDir, "data-dir", "/var/lib/pacific/registry", "directory of blobs and manifests")
		flags.StringVar(&config.Htpasswd, "htpasswd", "", "file of users and bcrypt passwords; without it everybody may push and pull")
		flags.StringVar(&certFile, "tls-cert", "", "serving certificate, PEM")
		flags.StringVar(&keyFile, "tls-key", "", "its key, PEM")
	}, func(ctx context.Context) error {
		tlsConfig, err := pki.ServerConfig(certFile, keyFile, "")
		if err != nil {
			return err
		}
		handler, err := registry.New(ctx, config)
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp", listen)
		if err != nil {
			return fmt.Errorf("registry: %w", err)
		}
		return registry.Serve(ctx, listener, tlsConfig, handler)
	})
}

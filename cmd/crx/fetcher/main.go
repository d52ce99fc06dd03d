// Command fetcher is a personality of a CRX: it pulls one image for the host. See internal/crx/fetcher.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"pacific/api/crx"
	"pacific/internal/channel"
	"pacific/internal/crx/fetcher"
	"pacific/internal/crx/hold"
)

func main() {
	fetcher.SuitProcessor()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "fetcher: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	port, err := channel.FindPort(ctx, crx.PersonalityPort)
	if err != nil {
		return err
	}
	return channel.Serve(ctx, port, func() { hold.Here(nil) }, func(s *channel.Session) {
		if err := fetcher.Serve(ctx, s); err != nil {
			fmt.Fprintf(os.Stderr, "fetcher: session ended: %v\n", err)
		}
	})
}

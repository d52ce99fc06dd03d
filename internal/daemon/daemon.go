// Package daemon is what the main functions of all daemons share: flags, logging, signals, exit codes.
package daemon

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// Main runs a daemon until it ends by itself or gets SIGTERM or SIGINT, which cancel the context of run. The process ends
// with 0 when run returns nil or the context's own error, with 1 otherwise, after logging the error.
func Main(use, short string, flags func(*pflag.FlagSet), run func(ctx context.Context) error) {
	takeNotifySocket()
	command := &cobra.Command{
		Use:           use,
		Short:         short,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return run(cmd.Context()) },
	}
	flags(command.Flags())
	addVerbosity(command.Flags())
	// Packages that must not know Kubernetes log by slog; it comes out in klog's format too.
	slog.SetDefault(slog.New(logr.ToSlogHandler(klog.Background())))

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := command.ExecuteContext(ctx)
	stopped := ctx.Err() != nil
	stop()
	if err != nil && !(stopped && errors.Is(err, context.Canceled)) {
		klog.ErrorS(err, use+" ends")
		klog.Flush()
		os.Exit(1)
	}
	klog.Flush()
}

func addVerbosity(flags *pflag.FlagSet) {
	all := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(all)
	flags.AddGoFlag(all.Lookup("v"))
}

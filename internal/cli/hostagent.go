package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"pacific/internal/hostagent"
	"pacific/internal/hostagent/systemd"
	"pacific/internal/keeper"
)

// hostAgentCommand is what systemd, or the keeper of one machine, runs on a host.
func hostAgentCommand() *cobra.Command {
	var wait bool
	dir := hostagent.DefaultDir
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Keep this host as its center wants it (what host join starts)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needRoot("host agent"); err != nil {
				return err
			}
			return runAgent(cmd.Context(), hostagent.Dir(dir), wait)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", dir, "directory of the host")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the host has joined, also after it was removed")
	return cmd
}

// runAgent runs the agent; after SIGHUP anew, with what is on disk now.
func runAgent(ctx context.Context, dir hostagent.Dir, wait bool) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	for {
		if wait {
			if err := awaitJoined(ctx, dir); err != nil {
				return ignoreCancelled(err)
			}
		}
		run, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-again:
				cancel()
			case <-run.Done():
			}
		}()
		err := newAgent(ctx, dir).Run(run)
		hup := run.Err() != nil && ctx.Err() == nil
		cancel()
		if !hup && (err != nil || ctx.Err() != nil || !wait) {
			return ignoreCancelled(err)
		}
	}
}

func newAgent(ctx context.Context, dir hostagent.Dir) *hostagent.Agent {
	return &hostagent.Agent{
		Dir: dir, Version: version,
		Starter:   func(dir hostagent.Dir, d keeper.Daemon) *exec.Cmd { return hostBecome(dir, d.Name) },
		OnRemoved: func() error { return systemd.Remove(context.WithoutCancel(ctx)) },
	}
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// awaitJoined returns when the directory is a host's.
func awaitJoined(ctx context.Context, dir hostagent.Dir) error {
	told := false
	for {
		_, err := dir.Load()
		if !errors.Is(err, hostagent.ErrNotJoined) {
			return err
		}
		if !told {
			klog.InfoS("Waiting for this host to join a center", "dir", dir)
			told = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

const hostBecomeCommand = "become-daemon"

func hostBecome(dir hostagent.Dir, name string) *exec.Cmd {
	// The agent's own program file may be replaced by a new build at any time; this is the one that runs.
	cmd := exec.Command("/proc/self/exe", "host", hostBecomeCommand, "--dir="+string(dir), name)
	cmd.Dir = "/"
	return cmd
}

// hostDaemonCommand is what the agent starts for each daemon.
func hostDaemonCommand() *cobra.Command {
	dir := hostagent.DefaultDir
	cmd := &cobra.Command{
		Use:    hostBecomeCommand + " NAME",
		Short:  "Execute a daemon of this host",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return hostagent.Become(hostagent.Dir(dir), args[0]) },
	}
	cmd.Flags().StringVar(&dir, "dir", dir, "directory of the host")
	return cmd
}

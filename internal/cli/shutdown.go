package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/layout"
)

// shutdownLimit is more than the longest shutdown-grace-period that makes sense on one machine.
const shutdownLimit = 5 * time.Minute

func shutdownCommand(home *homeFlag) *cobra.Command {
	var cancel bool
	cmd := &cobra.Command{
		Use:   "shutdown HOST",
		Short: "End the pods of a host that is about to power off, and let it take no others",
		Long: `Tells the host's spherelet that the host is about to power off (SIGPWR), and waits until no pod runs there any more.
Critical pods end last. --cancel (SIGUSR2) puts the host into service again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, l, err := home.load()
			if err != nil {
				return err
			}
			host := args[0]
			if !slices.Contains(layout.HostNames(in.Hosts), host) {
				return fmt.Errorf("no host %q; there are %v", host, layout.HostNames(in.Hosts))
			}
			signal := unix.SIGPWR
			if cancel {
				signal = unix.SIGUSR2
			}
			if err := onemachine.Signal(l, host+"-spherelet", signal); err != nil || cancel {
				return err
			}
			return awaitNoPods(cmd.Context(), cmd.OutOrStdout(), host, func(ctx context.Context) (*hostv1.GetInventoryResponse, error) {
				return getInventory(ctx, in, l, host)
			})
		},
	}
	cmd.Flags().BoolVar(&cancel, "cancel", false, "put the host into service again")
	return cmd
}

// awaitNoPods waits until the inventory has no pods, and tells how many are left.
func awaitNoPods(ctx context.Context, out io.Writer, host string, inventory func(context.Context) (*hostv1.GetInventoryResponse, error)) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownLimit)
	defer cancel()
	for left := -1; ; {
		found, err := inventory(ctx)
		if err != nil {
			return err
		}
		n := 0
		for _, m := range found.Machines {
			if m.Mode == "managed" {
				n++
			}
		}
		if n == 0 {
			fmt.Fprintf(out, "%s: all pods have ended\n", host)
			return nil
		}
		if n != left {
			fmt.Fprintf(out, "%s: %d pods are ending\n", host, n)
			left = n
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s still has %d pods: %w; see its spherelet's log", host, n, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

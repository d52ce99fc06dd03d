package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"pacific/internal/center/client"
	"pacific/internal/center/placement"
)

func placementCommand(home *homeFlag) *cobra.Command {
	cmd := &cobra.Command{Use: "placement", Short: "Ask center where machines run, and why"}
	var flags centerFlags
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(
		placementExplainCommand(home, &flags),
		hostQuestionCommand(home, &flags, "maintenance", "Say whether a host may enter maintenance, and where its machines go"),
		hostQuestionCommand(home, &flags, "restart", "Say whether a host may restart under the rules"),
		placementBalanceCommand(home, &flags),
	)
	return cmd
}

// shape of a machine that does not exist.
type shape struct {
	name, memory, reservation, pool string
	count, cpus                     int
	mhz                             int64
	apart, near, networks           []string
}

func placementExplainCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	var s shape
	var cluster string
	cmd := &cobra.Command{
		Use:   "explain [MACHINE]",
		Short: "Say where a machine would run and why, or why one is where it is",
		Long: `Says on which host a new machine would run, how each host was judged, and why others cannot take it; nothing is made.

    pacific placement explain --cpus 2 --memory 4Gi
    pacific placement explain --cpus 2 --memory 4Gi --count 3 --anti-affinity control-plane

With the id or name of a machine it says by which decision that came where it is, and what would be decided now.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				for _, name := range []string{"cpus", "memory", "count", "name", "anti-affinity", "affinity", "memory-reservation", "cpu-reservation", "network", "resource-pool"} {
					if cmd.Flags().Changed(name) {
						return fmt.Errorf("--%s is for a machine that does not exist; leave it away, or the name %s", name, args[0])
					}
				}
				return ask[placement.Standing](cmd, home, flags, &output, "explain", map[string]any{"cluster": cluster, "vm": args[0]})
			}
			question, err := s.question(cluster)
			if err != nil {
				return err
			}
			return ask[placement.Set](cmd, home, flags, &output, "explain", question)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.name, "name", "", "what to call the machine")
	f.IntVar(&s.count, "count", 1, "how many such machines are placed at once: all or none")
	f.IntVar(&s.cpus, "cpus", 0, "virtual processors")
	f.StringVar(&s.memory, "memory", "", "memory, such as 4Gi")
	f.StringVar(&s.reservation, "memory-reservation", "", "memory that the host guarantees, such as 512Mi; all of it if empty")
	f.Int64Var(&s.mhz, "cpu-reservation", 0, "processor time that the host guarantees, in MHz")
	f.StringSliceVar(&s.apart, "anti-affinity", nil, "groups of which no host runs two machines")
	f.StringSliceVar(&s.near, "affinity", nil, "groups of which one host runs all machines")
	f.StringSliceVar(&s.networks, "network", nil, "networks that the host must have")
	f.StringVar(&s.pool, "resource-pool", "", "id of the resource pool")
	f.StringVar(&cluster, "cluster", "", "id or name of the cluster; empty for the only one")
	output.add(cmd)
	return cmd
}

// question is the body of the call.
func (s shape) question(cluster string) (map[string]any, error) {
	if s.cpus == 0 || s.memory == "" {
		return nil, errors.New("say which machine: give its name, or --cpus and --memory of a new one")
	}
	memory, err := mebibytesOf("memory", s.memory)
	if err != nil {
		return nil, err
	}
	q := map[string]any{"cluster": cluster, "name": s.name, "count": s.count, "cpu_count": s.cpus, "memory_mib": memory, "cpu_reservation_mhz": s.mhz,
		"anti_affinity": s.apart, "affinity": s.near, "networks": s.networks, "resource_pool": s.pool}
	if s.reservation != "" {
		if q["memory_reservation_mib"], err = mebibytesOf("memory-reservation", s.reservation); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// mebibytesOf a flag's quantity, rounded up.
func mebibytesOf(flag, text string) (int64, error) {
	quantity, err := resource.ParseQuantity(text)
	if err != nil || quantity.Sign() < 0 {
		return 0, fmt.Errorf("--%s %q is no quantity of memory, such as 512Mi or 4Gi", flag, text)
	}
	return (quantity.Value() + 1<<20 - 1) >> 20, nil
}

func hostQuestionCommand(home *homeFlag, flags *centerFlags, action, short string) *cobra.Command {
	var output outputFlag
	var cluster string
	cmd := &cobra.Command{
		Use: action + " HOST", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask[placement.Evacuation](cmd, home, flags, &output, action, map[string]any{"cluster": cluster, "host": args[0]})
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "id or name of the cluster; empty for the only one")
	output.add(cmd)
	return cmd
}

func placementBalanceCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	var cluster string
	cmd := &cobra.Command{
		Use: "balance", Short: "Say which machines should move, and which rules do not hold", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask[placement.Balanced](cmd, home, flags, &output, "balance", map[string]any{"cluster": cluster})
		},
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "id or name of the cluster; empty for the only one")
	output.add(cmd)
	return cmd
}

// ask center and print the answer.
func ask[T interface{ Text() string }](cmd *cobra.Command, home *homeFlag, flags *centerFlags, output *outputFlag, action string, question any) error {
	var answer T
	err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
		return c.Do(ctx, "POST", "/api/pacific/placement?action="+action, question, &answer)
	})
	if err != nil {
		return err
	}
	// The text is a table already.
	return output.print(cmd.OutOrStdout(), answer, func(w *tabwriter.Writer) { fmt.Fprint(w, answer.Text()) })
}

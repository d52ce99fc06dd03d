package cli

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pacific/internal/center/client"
	"pacific/internal/center/hosts"
)

const centerHosts = "/api/pacific/hosts"

// fleetCommands are those about center's hosts.
func fleetCommands(home *homeFlag) []*cobra.Command {
	maintenance := &cobra.Command{Use: "maintenance", Short: "Take a host out of service and into it again"}
	maintenance.AddCommand(
		hostCall(home, "enter HOST", "Let a host take no new pods", func(ctx context.Context, c *client.Client, host string) error {
			return c.Do(ctx, "POST", hostPath(host)+"?action=enter-maintenance", nil, nil)
		}),
		hostCall(home, "exit HOST", "Let a host take pods again", func(ctx context.Context, c *client.Client, host string) error {
			return c.Do(ctx, "POST", hostPath(host)+"?action=exit-maintenance", nil, nil)
		}),
	)
	return []*cobra.Command{hostTokenCommand(home), hostFleetCommand(home), hostShowCommand(home), maintenance, hostLabelCommand(home), hostRemoveCommand(home)}
}

func hostPath(host string) string { return centerHosts + "/" + url.PathEscape(host) }

// hostCall is a command that does one thing to a host.
func hostCall(home *homeFlag, use, short string, do func(context.Context, *client.Client, string) error) *cobra.Command {
	var flags centerFlags
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, &flags, func(ctx context.Context, c *client.Client) error { return do(ctx, c, args[0]) })
		},
	}
	flags.add(cmd.Flags())
	return cmd
}

func hostTokenCommand(home *homeFlag) *cobra.Command {
	var flags centerFlags
	var output outputFlag
	var life time.Duration
	cmd := &cobra.Command{
		Use: "token", Short: "Make a token with which one machine may join", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var made hosts.NewToken
			err := withCenter(cmd, home, &flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "POST", centerHosts+"/tokens", map[string]int{"ttl_seconds": int(life / time.Second)}, &made)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), made, func(w *tabwriter.Writer) {
				where, _ := flags.resolve(home)
				fmt.Fprintf(w, "%s\n\nFor one host, until %s. On the host run the following, and give the token on standard input:\n    pacific host join --center %s --ca-sha256 %s --token-file -\n",
					made.Token, made.Expires.Local().Format("15:04:05"), where.url, made.CASHA256)
			})
		},
	}
	flags.add(cmd.Flags())
	output.add(cmd)
	cmd.Flags().DurationVar(&life, "ttl", 10*time.Minute, "how long it may be used")
	return cmd
}

func hostFleetCommand(home *homeFlag) *cobra.Command {
	var flags centerFlags
	var output outputFlag
	cmd := &cobra.Command{
		Use: "ls", Short: "List the hosts that have joined center, and their states", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []hosts.Info
			err := withCenter(cmd, home, &flags, func(ctx context.Context, c *client.Client) error { return c.Do(ctx, "GET", centerHosts, nil, &list) })
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "HOST\tNAME\tADDRESS\tSTATE\tACCELERATOR\tMESSAGE")
				for _, h := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", h.Host, h.Name, h.Address, h.State, orNone(h.Facts.Accelerator), strings.Join(append([]string{h.Message}, h.Problems...), " "))
				}
			})
		},
	}
	flags.add(cmd.Flags())
	output.add(cmd)
	return cmd
}

func hostShowCommand(home *homeFlag) *cobra.Command {
	var flags centerFlags
	var output outputFlag
	cmd := &cobra.Command{
		Use: "show HOST", Short: "Show a host: state, facts, daemons, certificates", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var h hosts.Info
			err := withCenter(cmd, home, &flags, func(ctx context.Context, c *client.Client) error { return c.Do(ctx, "GET", hostPath(args[0]), nil, &h) })
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), h, func(w *tabwriter.Writer) { writeHost(w, h) })
		},
	}
	flags.add(cmd.Flags())
	output.add(cmd)
	return cmd
}

func writeHost(w *tabwriter.Writer, h hosts.Info) {
	fmt.Fprintf(w, "Name:\t%s (%s) in %s\nAddress:\t%s\nState:\t%s %s\n", h.Name, h.Host, h.Cluster, h.Address, h.State, h.Message)
	fmt.Fprintf(w, "Last heartbeat:\t%s\nJoined:\t%s\n", h.LastHeartbeat.Format(time.RFC3339), h.Joined.Format(time.RFC3339))
	fmt.Fprintf(w, "System:\t%s, kernel %s\nMachines:\t%s, accelerator %s\nCapacity:\t%d processors of %d MHz, %s\n", h.Facts.OperatingSystem, h.Facts.Kernel,
		orNone(h.Facts.VMMVersion), orNone(h.Facts.Accelerator), h.Facts.CPUs, h.Facts.CPUMHz, size(h.Facts.MemoryBytes))
	fmt.Fprintf(w, "As wanted:\t%v\nLabels:\t%s\n", h.InSync, orNone(labelText(h.Labels)))
	for _, problem := range h.Problems {
		fmt.Fprintf(w, "Problem:\t%s\n", problem)
	}
	fmt.Fprintln(w, "\nDAEMON\tPID\tENDED\tLAST END")
	for _, d := range h.Daemons {
		fmt.Fprintf(w, "%s\t%d\t%d times\t%s\n", d.Name, d.PID, d.Ends, orNone(d.LastEnd))
	}
	fmt.Fprintln(w, "\nCERTIFICATE\tVALID UNTIL")
	for _, c := range h.Certificates {
		fmt.Fprintf(w, "%s\t%s\n", c.Purpose, c.NotAfter.Format(time.RFC3339))
	}
}

func labelText(labels map[string]string) string {
	var parts []string
	for key, value := range labels {
		parts = append(parts, key+"="+value)
	}
	sort.Strings(parts)
	return strings.Join(parts, ",")
}

func hostLabelCommand(home *homeFlag) *cobra.Command {
	var flags centerFlags
	cmd := &cobra.Command{
		Use: "label HOST [KEY=VALUE...]", Short: "Replace the labels of a host", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			labels := map[string]string{}
			for _, arg := range args[1:] {
				key, value, ok := strings.Cut(arg, "=")
				if !ok {
					return fmt.Errorf("%q is not KEY=VALUE", arg)
				}
				labels[key] = value
			}
			return withCenter(cmd, home, &flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "PATCH", hostPath(args[0]), map[string]any{"labels": labels}, nil)
			})
		},
	}
	flags.add(cmd.Flags())
	return cmd
}

func hostRemoveCommand(home *homeFlag) *cobra.Command {
	var force bool
	cmd := hostCall(home, "remove HOST", "Take a host out of center: it ends what runs on it and deletes its files and certificates", func(ctx context.Context, c *client.Client, host string) error {
		return c.Do(ctx, "DELETE", fmt.Sprintf("%s?force=%v", hostPath(host), force), nil, nil)
	})
	cmd.Long = `A host that is connected cleans itself, and then is gone. One that is away is forgotten at once; it is refused ever after, and
cleans itself when it comes back.`
	cmd.Flags().BoolVar(&force, "force", false, "forget the host at once, without waiting until it is clean")
	return cmd
}

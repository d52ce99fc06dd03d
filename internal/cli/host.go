package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

func hostCommand(home *homeFlag) *cobra.Command {
	cmd := &cobra.Command{Use: "host", Short: "Join hosts to center, and look at them"}
	cmd.AddCommand(hostListCommand(home), inventoryCommand(home), poolsCommand(home), shutdownCommand(home), hostJoinCommand(), hostAgentCommand(), hostDaemonCommand())
	cmd.AddCommand(fleetCommands(home)...)
	return cmd
}

func hostListCommand(home *homeFlag) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the hosts of this machine's instance as their hypervisor daemons see them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, _, err := home.load()
			if err != nil {
				return err
			}
			hosts := onemachine.GetStatus(cmd.Context(), in).Hosts
			return output.print(cmd.OutOrStdout(), hosts, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tADDRESS\tREADY\tACCELERATOR\tNAMESPACE\tMESSAGE")
				for _, h := range hosts {
					fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%s\t%s\n", h.Name, h.Address, h.Ready, orNone(h.Accelerator), h.Namespace, h.Message)
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func inventoryCommand(home *homeFlag) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "inventory HOST",
		Short: "List what exists on a host: machines, taps, disks, cgroups",
		Long: `Lists what hostd finds on its host: not what it has written down but what is there, so that what leaked shows as ORPHAN.
Disks of images belong to their image and stay for the next pod.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, l, err := home.load()
			if err != nil {
				return err
			}
			inventory, err := getInventory(cmd.Context(), in, l, args[0])
			if err != nil {
				return err
			}
			if output.format == "json" {
				// All fields, so that an empty list is one and not a missing field.
				data, err := protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true}.Marshal(inventory)
				fmt.Fprintln(cmd.OutOrStdout(), string(data))
				return err
			}
			return output.print(cmd.OutOrStdout(), inventory, func(w *tabwriter.Writer) { writeInventory(w, inventory) })
		},
	}
	output.add(cmd)
	return cmd
}

func getInventory(ctx context.Context, in instance.Instance, l layout.Layout, host string) (*hostv1.GetInventoryResponse, error) {
	return askHostd(in, l, host, "inventory", func(conn *grpc.ClientConn) (*hostv1.GetInventoryResponse, error) {
		return hostv1.NewHostClient(conn).GetInventory(ctx, &hostv1.GetInventoryRequest{})
	})
}

// askHostd asks the hostd of a host for something.
func askHostd[T any](in instance.Instance, l layout.Layout, host, what string, ask func(*grpc.ClientConn) (*T, error)) (*T, error) {
	n, err := hostNumber(in, host)
	if err != nil {
		return nil, err
	}
	conn, err := onemachine.DialHost(l, n)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answer, err := ask(conn)
	if err != nil {
		return nil, fmt.Errorf("%s of %s from hostd on %s: %w; its log is %s", what, host, l.Hostd(n), err, l.Log(host+"-hostd"))
	}
	return answer, nil
}

func hostNumber(in instance.Instance, host string) (int, error) {
	n := slices.Index(layout.HostNames(in.Hosts), host) + 1
	if n == 0 {
		return 0, fmt.Errorf("no host %q; there are %v", host, layout.HostNames(in.Hosts))
	}
	return n, nil
}

// podOf names the pod of a machine, namespace/name, where the machine is one.
func podOf(m *hostv1.InventoryMachine) string {
	return orNone(m.GetName())
}

func writeInventory(w *tabwriter.Writer, inventory *hostv1.GetInventoryResponse) {
	names := map[string]string{}
	fmt.Fprintln(w, "TYPE\tMODE\tPERSONALITY\tPOD\tPID\tPHASE\tID")
	slices.SortFunc(inventory.Machines, func(a, b *hostv1.InventoryMachine) int { return cmp.Compare(a.Name+a.Id, b.Name+b.Id) })
	for _, m := range inventory.Machines {
		names[m.Id] = podOf(m)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", orNone(m.Type), orNone(m.Mode), orNone(m.Personality), podOf(m), m.Pid, m.Phase, m.Id)
	}
	for _, part := range []struct {
		title string
		items []*hostv1.InventoryItem
	}{{"TAP", inventory.Taps}, {"DISK", inventory.Disks}, {"CGROUP", inventory.Cgroups}} {
		fmt.Fprintf(w, "\n%s\tOWNER\tSIZE\n", part.title)
		for _, item := range part.items {
			fmt.Fprintf(w, "%s\t%s\t%s\n", item.Name, owner(item, names), size(item.Bytes))
		}
	}
}

// owner is the pod's name where the owner is a machine, else the owner itself.
func owner(item *hostv1.InventoryItem, names map[string]string) string {
	switch name, ok := names[item.Owner]; {
	case item.Owner == "":
		return "ORPHAN"
	case ok:
		return name
	}
	return item.Owner
}

func size(bytes uint64) string {
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

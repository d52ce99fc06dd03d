package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/center/client"
	"pacific/internal/center/namespaces/spec"
)

const namespacesPath = "/api/vcenter/namespaces/instances"

func namespacePath(name string) string { return namespacesPath + "/" + url.PathEscape(name) }

type namespaceUsage struct {
	CPU     int64 `json:"cpu_used"`
	Memory  int64 `json:"memory_used"`
	Storage int64 `json:"storage_used"`
}

type namespaceSummary struct {
	Cluster      string         `json:"cluster"`
	Namespace    string         `json:"namespace"`
	Description  string         `json:"description"`
	ConfigStatus string         `json:"config_status"`
	Stats        namespaceUsage `json:"stats"`
	SelfService  bool           `json:"self_service_namespace"`
}

type namespaceMessage struct {
	Severity string `json:"severity"`
	Details  struct {
		ID   string   `json:"id"`
		Text string   `json:"default_message"`
		Args []string `json:"args"`
	} `json:"details"`
}

type namespaceInfo struct {
	Cluster      string             `json:"cluster"`
	ConfigStatus string             `json:"config_status"`
	Messages     []namespaceMessage `json:"messages"`
	Stats        namespaceUsage     `json:"stats"`
	SelfService  bool               `json:"self_service_namespace"`
	spec.Settings
	Networks     []string        `json:"networks"`
	Creator      *spec.Principal `json:"creator,omitempty"`
	ResourcePool string          `json:"resource_pool"`
	Folder       string          `json:"vm_folder"`
}

func namespaceCommand(home *homeFlag) *cobra.Command {
	var flags centerFlags
	cmd := &cobra.Command{
		Use: "namespace", Aliases: []string{"ns"}, Short: "vSphere Namespaces: who may use how much of a Supervisor",
		Long: `Gives out namespaces of a Supervisor. A namespace is a resource pool on the hosts, a Namespace in Kubernetes, and a list of
people and groups with their roles:

    pacific namespace create team-a --cpu-limit 1000 --memory-limit 1024 --wait
    pacific namespace access set team-a dev1@pacific.local --role edit
    pacific namespace set team-a --cpu-limit none --limit pod_count=20
    pacific namespace delete team-a --wait`,
	}
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(
		namespaceListCommand(home, &flags), namespaceGetCommand(home, &flags), namespaceCreateCommand(home, &flags),
		namespaceSetCommand(home, &flags), namespaceDeleteCommand(home, &flags), namespaceAccessCommand(home, &flags),
	)
	return cmd
}

func namespaceListCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List namespaces with their state and use", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := []namespaceSummary{}
			err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "GET", namespacesPath, nil, &list)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), list, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tCLUSTER\tSTATUS\tCPU\tMEMORY\tSTORAGE\tDESCRIPTION")
				for _, n := range list {
					fmt.Fprintf(w, "%s\t%s\t%s\t%d MHz\t%d MiB\t%d MiB\t%s\n", n.Namespace, n.Cluster, n.ConfigStatus, n.Stats.CPU, n.Stats.Memory, n.Stats.Storage, orNone(n.Description))
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func namespaceGetCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "get NAME", Aliases: []string{"info"}, Short: "Show a namespace: its limits, who may use it, and what it waits for", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var info namespaceInfo
			err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "GET", namespacePath(args[0]), nil, &info)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), info, func(w *tabwriter.Writer) { writeNamespace(w, args[0], info) })
		},
	}
	output.add(cmd)
	return cmd
}

func writeNamespace(w *tabwriter.Writer, name string, info namespaceInfo) {
	r := info.Resources
	fmt.Fprintf(w, "Name:\t%s\nCluster:\t%s\nStatus:\t%s\n", name, info.Cluster, info.ConfigStatus)
	for _, m := range info.Messages {
		fmt.Fprintf(w, "\t%s: %s\n", m.Severity, m.Details.Text)
	}
	fmt.Fprintf(w, "Description:\t%s\nResource pool:\t%s\n", orNone(info.Description), info.ResourcePool)
	fmt.Fprintf(w, "CPU:\t%s\n", used(info.Stats.CPU, r.CPULimit, r.CPUReservation, "MHz"))
	fmt.Fprintf(w, "Memory:\t%s\n", used(info.Stats.Memory, r.MemoryLimit, r.MemoryReservation, "MiB"))
	fmt.Fprintf(w, "Storage:\t%s\n", used(info.Stats.Storage, r.StorageRequestLimit, nil, "MiB"))
	for _, l := range otherLimits(r) {
		fmt.Fprintf(w, "Limit:\t%s\n", l)
	}
	for _, s := range info.Storage {
		fmt.Fprintf(w, "Storage policy:\t%s, %s\n", s.Policy, limit(s.Limit, "MiB"))
	}
	for _, a := range info.Access {
		fmt.Fprintf(w, "Access:\t%s %s\n", accessName(a), strings.ToLower(a.Role))
	}
	if classes := info.VMService.VMClasses; len(classes) > 0 {
		fmt.Fprintf(w, "VM classes:\t%s\n", strings.Join(classes, " "))
	}
	if libraries := info.VMService.ContentLibraries; len(libraries) > 0 {
		fmt.Fprintf(w, "Content libraries:\t%s\n", strings.Join(libraries, " "))
	}
}

func used(now int64, max, reserved *int64, unit string) string {
	text := fmt.Sprintf("%d %s used, %s", now, unit, limit(max, unit))
	if reserved != nil {
		text += fmt.Sprintf(", %d %s reserved", *reserved, unit)
	}
	return text
}

func limit(max *int64, unit string) string {
	if max == nil {
		return "no limit"
	}
	return fmt.Sprintf("limit %d %s", *max, unit)
}

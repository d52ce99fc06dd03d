package cli

import (
	"fmt"
	"os"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"
	kubernetes "k8s.io/component-base/version"

	"pacific/internal/onemachine/plan"
)

func kubeconfigCommand(home *homeFlag) *cobra.Command {
	var raw bool
	cmd := &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of the administrator's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, l, err := home.load()
			if err != nil {
				return err
			}
			if !raw {
				fmt.Fprintln(cmd.OutOrStdout(), l.Kubeconfig())
				return nil
			}
			data, err := os.ReadFile(l.Kubeconfig())
			if err != nil {
				return fmt.Errorf("read kubeconfig: %w", err)
			}
			_, err = cmd.OutOrStdout().Write(data)
			return err
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print the content")
	return cmd
}

func logsCommand(home *homeFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "logs [DAEMON]",
		Short: "Print where the daemons' logs are, or the last lines of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, l, err := home.load()
			if err != nil {
				return err
			}
			logs := map[string]string{"keeper": l.Log("keeper")}
			names := []string{"keeper"}
			for _, name := range plan.DaemonNames(in) {
				logs[name] = l.Log(name)
				names = append(names, name)
			}
			if len(args) == 0 {
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				fmt.Fprintln(w, "DAEMON\tLOG")
				for _, name := range names {
					fmt.Fprintf(w, "%s\t%s\n", name, logs[name])
				}
				return w.Flush()
			}
			path, ok := logs[args[0]]
			if !ok {
				return fmt.Errorf("no daemon %q; pacific logs lists them", args[0])
			}
			fmt.Fprintln(cmd.OutOrStdout(), logTail(path))
			return nil
		},
	}
}

// version is set by the linker.
var version = "development"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of Pacific and of the Kubernetes that it contains",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "pacific %s\nkubernetes %s\n%s %s/%s\n", version, kubernetes.Get().GitVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

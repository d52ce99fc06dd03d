// Package kubectlvsphere is `kubectl vsphere`: it signs people in at a Supervisor and writes contexts for kubectl. It runs on
// Linux, macOS and Windows.
package kubectlvsphere

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "unknown"

// Main runs the command and returns the exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	command := newCommand(newTerminal())
	command.SetArgs(args)
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return 0
}

func newCommand(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-vsphere",
		Short: "Sign in at a Supervisor, for kubectl",
		Annotations: map[string]string{
			cobra.CommandDisplayNameAnnotation: "kubectl vsphere",
		},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(loginCommand(t), logoutCommand(t), credentialCommand(t), versionCommand(t))
	return root
}

func loginCommand(t *terminal) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "login --server HOST --vsphere-username USER@DOMAIN",
		Short: "Sign in and write a context for each namespace",
		Long: `Signs in at a Supervisor and writes contexts into the kubeconfig: one named as the server, one for each namespace that you
may use. The password is taken from the environment variable KUBECTL_VSPHERE_PASSWORD, else you are asked for it; without a
terminal it is the first line of standard input. It is stored nowhere.`,
		Example: `  kubectl vsphere login --server 10.77.0.2 --vsphere-username dev1@pacific.local
  kubectl config use-context team-a`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.login(cmd.Context(), t) },
	}
	o.addFlags(command.Flags())
	flags := command.Flags()
	flags.StringVar(&o.guestName, "tanzu-kubernetes-cluster-name", "", "name of a guest cluster to sign in at too")
	flags.StringVar(&o.guestNamespace, "tanzu-kubernetes-cluster-namespace", "", "namespace of the guest cluster, if its name alone is not unique")
	flags.BoolVar(&o.plugin, "credential-plugin", false, "write this program into the kubeconfig in place of a token: when the token has run out, kubectl asks for the password")
	return command
}

func logoutCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Remove all contexts and tokens that login wrote",
		Long: `Removes all contexts, users and tokens that login wrote. The servers stay, since they hold the certificate authorities that you
decided to trust; kubectl config delete-cluster removes one.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return logout(t) },
	}
}

func credentialCommand(t *terminal) *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:    "credential --server HOST --vsphere-username USER@DOMAIN",
		Short:  "Print a token for kubectl (client.authentication.k8s.io/v1)",
		Args:   cobra.NoArgs,
		Hidden: true, // kubectl calls it
		RunE:   func(cmd *cobra.Command, _ []string) error { return o.credential(cmd.Context(), t) },
	}
	o.addFlags(command.Flags())
	return command
}

func versionCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(*cobra.Command, []string) { fmt.Fprintln(t.out, "kubectl-vsphere: version", version) },
	}
}

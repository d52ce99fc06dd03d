package cli

import (
	"github.com/spf13/cobra"

	"pacific/internal/onemachine"
)

// keeperCommand is what pacific up starts in the background.
func keeperCommand(home *homeFlag) *cobra.Command {
	cmd := &cobra.Command{
		Use:    onemachine.KeeperCommand,
		Short:  "Keep the daemons of an instance running",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE:   func(cmd *cobra.Command, _ []string) error { return onemachine.Keep(cmd.Context(), home.path) },
	}
	cmd.Flags().String("revision", "", "tells keepers of different plans apart")
	return cmd
}

// becomeCommand is what the keeper starts for each daemon.
func becomeCommand(home *homeFlag) *cobra.Command {
	return &cobra.Command{
		Use:    onemachine.BecomeCommand + " NAME",
		Short:  "Enter a daemon's namespace and execute it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return onemachine.Become(home.path, args[0]) },
	}
}

package cli

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
)

func downCommand(home *homeFlag) *cobra.Command {
	down := onemachine.Down{Claims: instance.DefaultClaims}
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop everything; the cluster's state stays for the next up",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&down.Purge, "purge", false, "also delete the instance's data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		show := newProgress(stdout)
		down.Home, down.Warn = home.path, show.warn
		found, err := down.Find()
		if err != nil {
			return err
		}
		if !found {
			fmt.Fprintf(cmd.OutOrStdout(), "There is no Pacific instance in %s.\n", home.path)
			return nil
		}
		if err := needRoot("down"); err != nil {
			return err
		}
		unlock, err := instance.Lock(home.path)
		switch {
		case err == nil:
			defer unlock()
		case !errors.Is(err, fs.ErrNotExist): // where the home was deleted, what runs has to end all the same
			return err
		}
		return show.runAll(cmd.Context(), down.Stages())
	}
	return cmd
}

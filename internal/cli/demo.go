package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/onemachine/demo"
)

func demoCommand(home *homeFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Run a small web application on three pods and ask its Service who answers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, _, err := home.load()
			if err != nil {
				return err
			}
			if err := needRoot("demo"); err != nil {
				return err
			}
			d := demo.Demo{Instance: in}
			if err := newProgress(stdout).run(cmd.Context(), d.Stages()); err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "\nPOD\tHOST\tKERNEL\tANSWERED")
			for _, a := range d.Answers {
				fmt.Fprintf(w, "%s\t%s\t%s\t%d times\n", a.Pod, a.Host, a.Kernel, a.Times)
			}
			return w.Flush()
		},
	}
}

package cli

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/onemachine"
)

func statusCommand(home *homeFlag) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is up and what is not; exits 1 when not all is ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, _, err := home.load()
			if err != nil {
				return err
			}
			if err := needRoot("status"); err != nil {
				return err
			}
			status := onemachine.GetStatus(cmd.Context(), in)
			if err := output.print(cmd.OutOrStdout(), status, func(w *tabwriter.Writer) { writeStatus(w, status) }); err != nil {
				return err
			}
			if !status.Ready {
				return errNotReady
			}
			return nil
		},
	}
	output.add(cmd)
	return cmd
}

// errNotReady needs no words: the status has them.
var errNotReady = errors.New("not all is ready")

func writeStatus(w *tabwriter.Writer, s onemachine.Status) {
	fmt.Fprintln(w, "NAME\tREADY\tADDRESS\tINFO")
	fmt.Fprintf(w, "center\t%v\t%s\t%s %s\n", s.Center.Ready, s.Center.URL, s.Center.Username, s.Center.Message)
	fmt.Fprintf(w, "supervisor\t%v\t%s\t%s%s\n", s.Supervisor.Ready, s.Supervisor.Server, s.Supervisor.Version, s.Supervisor.Message)
	fmt.Fprintf(w, "registry\t%v\t%s\t%s\n", s.Registry.Ready, s.Registry.Address, s.Registry.Message)
	for _, h := range s.Hosts {
		info := strings.TrimSpace(h.State + " accelerator " + h.Accelerator)
		if h.Message != "" {
			info = h.Message
		}
		fmt.Fprintf(w, "%s\t%v\t%s\t%s\n", h.Name, h.Ready, h.Address, info)
	}
	fmt.Fprintln(w, "\nDAEMON\tPID\tENDED\tLAST END")
	for _, d := range s.Daemons {
		pid := "not running"
		if d.PID != 0 {
			pid = fmt.Sprint(d.PID)
		}
		fmt.Fprintf(w, "%s\t%s\t%d times\t%s\n", d.Name, pid, d.Ends, orNone(d.LastEnd))
	}
}

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

var stdout = os.Stdout

// outputFlag chooses between text for people and JSON for programs.
type outputFlag struct{ format string }

func (o *outputFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "json, or a table if empty")
}

// print writes value as JSON, or as text does.
func (o *outputFlag) print(out io.Writer, value any, text func(*tabwriter.Writer)) error {
	switch o.format {
	case "json":
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	case "", "table":
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		text(w)
		return w.Flush()
	}
	return fmt.Errorf("output format %q is none of json, table", o.format)
}

func needRoot(command string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("pacific %s must run as root", command)
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

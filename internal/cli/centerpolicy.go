package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/center/client"
)

const centerPolicy = "/api/pacific/sso/policy"

func centerPolicyCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "policy [NAME=NUMBER...]", Short: "Show the policy for passwords and lock-out, or change it",
		RunE: func(cmd *cobra.Command, args []string) error {
			changes, err := policyChanges(args)
			if err != nil {
				return err
			}
			var policy map[string]int
			err = withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				if len(changes) == 0 {
					return c.Do(ctx, "GET", centerPolicy, nil, &policy)
				}
				return c.Do(ctx, "PATCH", centerPolicy, changes, &policy)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), policy, func(w *tabwriter.Writer) {
				for _, name := range slices.Sorted(maps.Keys(policy)) {
					fmt.Fprintf(w, "%s\t%d\n", name, policy[name])
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func policyChanges(args []string) (map[string]int, error) {
	changes := map[string]int{}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("%q is not NAME=NUMBER, such as min_length=12", arg)
		}
		changes[name] = n
	}
	return changes, nil
}

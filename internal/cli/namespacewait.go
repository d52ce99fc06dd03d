package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pacific/internal/center/client"
)

// waitFlags let a command end only when a namespace has come to its state.
type waitFlags struct {
	wait    bool
	timeout time.Duration
}

func (w *waitFlags) add(flags *pflag.FlagSet, until string) {
	flags.BoolVar(&w.wait, "wait", false, "wait "+until+", and show what is being waited for")
	flags.DurationVar(&w.timeout, "timeout", 5*time.Minute, "how long to wait at most")
}

// gone is the state of a namespace that is not there any more.
const gone = "gone"

// until waits for a state; a namespace in state ERROR is waited for no longer.
func (w *waitFlags) until(ctx context.Context, out io.Writer, c *client.Client, name, state string) error {
	if !w.wait {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	shown := ""
	for {
		now, text, err := namespaceState(ctx, c, name)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("namespace %s is not %s after %v: %s", name, state, w.timeout, orNone(shown))
		case err != nil:
			return err
		case now == state:
			return nil
		case now == "ERROR" || now == gone:
			return fmt.Errorf("namespace %s is %s: %s", name, now, orNone(text))
		}
		if text != shown {
			fmt.Fprintf(out, "%s %s: %s\n", name, now, text)
			shown = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func namespaceState(ctx context.Context, c *client.Client, name string) (state, text string, err error) {
	var info namespaceInfo
	err = c.Do(ctx, http.MethodGet, namespacePath(name), nil, &info)
	if client.IsNotFound(err) {
		return gone, "", nil
	}
	var texts []string
	for _, m := range info.Messages {
		texts = append(texts, m.Details.Text)
	}
	return info.ConfigStatus, strings.Join(texts, "; "), err
}

func namespaceDeleteCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var wait waitFlags
	cmd := &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Delete namespaces with all that is in them", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				var errs []error
				for _, name := range args {
					errs = append(errs, c.Do(ctx, http.MethodDelete, namespacePath(name), nil, nil))
				}
				for i, name := range args {
					if errs[i] == nil {
						errs[i] = wait.until(ctx, cmd.ErrOrStderr(), c, name, gone)
					}
				}
				return errors.Join(errs...)
			})
		},
	}
	wait.add(cmd.Flags(), "until they are gone")
	return cmd
}

package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/center/client"
	"pacific/internal/center/namespaces/spec"
)

func namespaceAccessCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "access", Short: "Who may use a namespace: roles view, edit, owner"}
	cmd.AddCommand(accessListCommand(home, flags), accessSetCommand(home, flags), &cobra.Command{
		Use: "rm NAME SUBJECT...", Aliases: []string{"delete"}, Short: "Take the roles of users, or of groups written group:NAME@DOMAIN", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				for _, subject := range args[1:] {
					path, err := accessPath(args[0], subject)
					if err != nil {
						return err
					}
					if err := c.Do(ctx, http.MethodDelete, path, nil, nil); err != nil {
						return err
					}
				}
				return nil
			})
		},
	})
	return cmd
}

// accessName is how a subject is written in arguments.
func accessName(a spec.Access) string {
	name := a.Subject + "@" + a.Domain
	if a.SubjectType == spec.Group {
		return "group:" + name
	}
	return name
}

func accessPath(namespace, arg string) (string, error) {
	subject := subjectArg(arg)
	at := strings.LastIndexByte(subject.Name, '@')
	if at <= 0 || at == len(subject.Name)-1 {
		return "", fmt.Errorf("%q is no subject: give NAME@DOMAIN, or group:NAME@DOMAIN", arg)
	}
	name, domain := subject.Name[:at], subject.Name[at+1:]
	return namespacePath(namespace) + "/access/" + url.PathEscape(domain) + "/" + url.PathEscape(name) + "?type=" + subject.Type, nil
}

func accessListCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "ls NAME", Aliases: []string{"list"}, Short: "List who may use a namespace", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var info namespaceInfo
			err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, http.MethodGet, namespacePath(args[0]), nil, &info)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), info.Access, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "SUBJECT\tROLE")
				for _, a := range info.Access {
					fmt.Fprintf(w, "%s\t%s\n", accessName(a), strings.ToLower(a.Role))
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func accessSetCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "set NAME SUBJECT --role ROLE", Short: "Give a user, or a group written group:NAME@DOMAIN, a role", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := accessPath(args[0], args[1])
			if err != nil {
				return err
			}
			body := map[string]string{"role": strings.ToUpper(role)}
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				err := c.Do(ctx, http.MethodPut, path, body, nil)
				if client.IsNotFound(err) { // the subject has no role yet, or there is no such namespace
					err = c.Do(ctx, http.MethodPost, path, body, nil)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "view, edit or owner")
	_ = cmd.MarkFlagRequired("role")
	return cmd
}

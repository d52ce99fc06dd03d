package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/center/client"
)

const (
	centerGroups      = "/api/pacific/sso/groups"
	centerPermissions = "/api/pacific/sso/permissions"
)

// centerSubject is a user or a group.
type centerSubject struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Domain string `json:"domain"`
}

func (s centerSubject) String() string {
	name := s.Name + "@" + s.Domain
	if s.Type == "GROUP" {
		return "group:" + name
	}
	return name
}

// subjectArg reads name, name@domain, or one of these with "group:" before it.
func subjectArg(arg string) centerSubject {
	s := centerSubject{Type: "USER", Name: arg}
	if name, ok := strings.CutPrefix(arg, "group:"); ok {
		s.Type, s.Name = "GROUP", name
	}
	return s
}

type centerGroup struct {
	Name        string          `json:"name"`
	Domain      string          `json:"domain"`
	Description string          `json:"description,omitempty"`
	Members     []centerSubject `json:"members"`
}

func centerGroupCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "group", Short: "Groups of center's own domain"}
	cmd.AddCommand(
		groupListCommand(home, flags), groupCreateCommand(home, flags),
		groupMembersCommand(home, flags, "add", "Put users, or groups written group:NAME, into a group"),
		groupMembersCommand(home, flags, "remove", "Take users, or groups written group:NAME, out of a group"),
		userCall(home, flags, "delete", "Delete groups, with their permissions; their members stay", func(ctx context.Context, c *client.Client, group string) error {
			return c.Do(ctx, "DELETE", groupPath(group), nil, nil)
		}),
	)
	cmd.Commands()[len(cmd.Commands())-1].Use = "delete GROUP..."
	return cmd
}

func groupPath(group string) string { return centerGroups + "/" + url.PathEscape(group) }

func groupListCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List groups with their members", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var groups []centerGroup
			err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "GET", centerGroups, nil, &groups)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), groups, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tMEMBERS\tDESCRIPTION")
				for _, g := range groups {
					var members []string
					for _, m := range g.Members {
						members = append(members, m.String())
					}
					fmt.Fprintf(w, "%s@%s\t%s\t%s\n", g.Name, g.Domain, orNone(strings.Join(members, " ")), orNone(g.Description))
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func groupCreateCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use: "create GROUP", Short: "Make a group", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "POST", centerGroups, map[string]string{"name": args[0], "description": description}, nil)
			})
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "one line about the group")
	return cmd
}

func groupMembersCommand(home *homeFlag, flags *centerFlags, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " GROUP MEMBER...", Short: short, Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var body struct {
				Members []centerSubject `json:"members"`
			}
			for _, arg := range args[1:] {
				body.Members = append(body.Members, subjectArg(arg))
			}
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "POST", groupPath(args[0])+"?action="+verb, body, nil)
			})
		},
	}
}

type centerPermission struct {
	centerSubject
	Role string `json:"role"`
}

func centerPermissionCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "permission", Short: "Who has which role on center: Administrator or ReadOnly"}
	cmd.AddCommand(permissionListCommand(home, flags), &cobra.Command{
		Use: "set SUBJECT ROLE", Short: "Give a user, or a group written group:NAME, a role", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "POST", centerPermissions, centerPermission{subjectArg(args[0]), args[1]}, nil)
			})
		},
	}, &cobra.Command{
		Use: "delete SUBJECT", Short: "Take the role of a user, or of a group written group:NAME", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return deletePermission(ctx, c, subjectArg(args[0]))
			})
		},
	})
	return cmd
}

// deletePermission finds the one that the argument means, since its path needs the domain.
func deletePermission(ctx context.Context, c *client.Client, want centerSubject) error {
	var permissions []centerPermission
	if err := c.Do(ctx, "GET", centerPermissions, nil, &permissions); err != nil {
		return err
	}
	for _, p := range permissions {
		full := strings.EqualFold(p.Name+"@"+p.Domain, want.Name)
		if p.Type == want.Type && (full || strings.EqualFold(p.Name, want.Name)) {
			path := centerPermissions + "/" + p.Type + "/" + url.PathEscape(p.Domain) + "/" + url.PathEscape(p.Name)
			return c.Do(ctx, "DELETE", path, nil, nil)
		}
	}
	return fmt.Errorf("%s has no role; pacific center permission ls shows who has", want.Name)
}

func permissionListCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List permissions", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var permissions []centerPermission
			err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "GET", centerPermissions, nil, &permissions)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), permissions, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "SUBJECT\tROLE")
				for _, p := range permissions {
					fmt.Fprintf(w, "%s\t%s\n", p.centerSubject, p.Role)
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

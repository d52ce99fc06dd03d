package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pacific/internal/center/client"
)

const centerUsers = "/api/pacific/sso/users"

// centerUser is what center shows of a user.
type centerUser struct {
	Name        string   `json:"name"`
	Domain      string   `json:"domain"`
	GivenName   string   `json:"given_name,omitempty"`
	FamilyName  string   `json:"family_name,omitempty"`
	Email       string   `json:"email,omitempty"`
	Description string   `json:"description,omitempty"`
	Disabled    bool     `json:"disabled"`
	Locked      bool     `json:"locked"`
	LockedUntil string   `json:"locked_until,omitempty"`
	Certificate string   `json:"certificate,omitempty"`
	Created     string   `json:"created"`
	Changed     string   `json:"password_changed,omitempty"`
	Groups      []string `json:"groups"`
}

func (u centerUser) state() string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.Locked:
		return "locked until " + u.LockedUntil
	default:
		return "active"
	}
}

func centerUserCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Users of center's own domain"}
	cmd.AddCommand(
		userListCommand(home, flags), userCreateCommand(home, flags), userPasswordCommand(home, flags),
		userCall(home, flags, "delete", "Delete users, with their memberships and permissions", func(ctx context.Context, c *client.Client, user string) error {
			return c.Do(ctx, "DELETE", userPath(user), nil, nil)
		}),
		userCall(home, flags, "unlock", "Let users try again who failed to sign in too often", func(ctx context.Context, c *client.Client, user string) error {
			return c.Do(ctx, "POST", userPath(user)+"?action=unlock", nil, nil)
		}),
		userCall(home, flags, "disable", "Let users not sign in any more, and end their sessions", setDisabled(true)),
		userCall(home, flags, "enable", "Let users sign in again", setDisabled(false)),
	)
	return cmd
}

func userPath(user string) string { return centerUsers + "/" + url.PathEscape(user) }

func setDisabled(disabled bool) func(context.Context, *client.Client, string) error {
	return func(ctx context.Context, c *client.Client, user string) error {
		return c.Do(ctx, "PATCH", userPath(user), map[string]bool{"disabled": disabled}, nil)
	}
}

// userCall is a command that does one thing to each user named.
func userCall(home *homeFlag, flags *centerFlags, verb, short string, do func(context.Context, *client.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " USER...", Short: short, Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				for _, user := range args {
					if err := do(ctx, c, user); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func userListCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List users", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var users []centerUser
			err := withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "GET", centerUsers, nil, &users)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), users, func(w *tabwriter.Writer) {
				fmt.Fprintln(w, "NAME\tSTATE\tFULL NAME\tGROUPS")
				for _, u := range users {
					fmt.Fprintf(w, "%s@%s\t%s\t%s\t%s\n", u.Name, u.Domain, u.state(), orNone(strings.TrimSpace(u.GivenName+" "+u.FamilyName)), strings.Join(u.Groups, " "))
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func userCreateCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var spec struct {
		Name        string `json:"name"`
		Password    string `json:"password,omitempty"`
		Certificate string `json:"certificate,omitempty"`
		GivenName   string `json:"given_name,omitempty"`
		FamilyName  string `json:"family_name,omitempty"`
		Email       string `json:"email,omitempty"`
		Description string `json:"description,omitempty"`
	}
	var output outputFlag
	var passwordFile, certificateFile string
	cmd := &cobra.Command{
		Use: "create USER", Short: "Make a user; its password comes from a prompt, a file or standard input", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			spec.Name = args[0]
			if certificateFile != "" {
				data, err := os.ReadFile(certificateFile)
				if err != nil {
					return err
				}
				spec.Certificate = string(data)
			} else if spec.Password, err = newPassword(cmd, passwordFile, spec.Name); err != nil {
				return err
			}
			var made centerUser
			err = withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "POST", centerUsers, spec, &made)
			})
			if err != nil {
				return err
			}
			return output.print(cmd.OutOrStdout(), made, func(w *tabwriter.Writer) { fmt.Fprintf(w, "%s@%s\n", made.Name, made.Domain) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&passwordFile, "new-password-file", "", "file with the new user's password, - for standard input")
	f.StringVar(&certificateFile, "certificate", "", "file with a certificate: the user is a program that signs in by its key, not by a password")
	f.StringVar(&spec.GivenName, "given-name", "", "given name")
	f.StringVar(&spec.FamilyName, "family-name", "", "family name")
	f.StringVar(&spec.Email, "email", "", "mail address")
	f.StringVar(&spec.Description, "description", "", "one line about the user")
	output.add(cmd)
	return cmd
}

func userPasswordCommand(home *homeFlag, flags *centerFlags) *cobra.Command {
	var passwordFile string
	cmd := &cobra.Command{
		Use: "password USER", Short: "Give a user a new password, which ends the user's sessions", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := newPassword(cmd, passwordFile, args[0])
			if err != nil {
				return err
			}
			return withCenter(cmd, home, flags, func(ctx context.Context, c *client.Client) error {
				return c.Do(ctx, "POST", userPath(args[0])+"?action=set-password", map[string]string{"password": password}, nil)
			})
		},
	}
	cmd.Flags().StringVar(&passwordFile, "new-password-file", "", "file with the new password, - for standard input")
	return cmd
}

// newPassword asks twice at a terminal.
func newPassword(cmd *cobra.Command, file, user string) (string, error) {
	password, err := readPassword(cmd, file, "New password of "+user)
	if err != nil || file != "" {
		return password, err
	}
	again, err := readPassword(cmd, "", "Again")
	if err == nil && again != password {
		return "", fmt.Errorf("the two passwords differ")
	}
	return password, err
}

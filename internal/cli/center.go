package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"pacific/internal/center/client"
)

// centerFlags say where center is and who calls: by flag, else by environment, else as the instance of --home has it.
type centerFlags struct {
	url, username, passwordFile, ca string
}

func (c *centerFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&c.url, "center", "", "URL of center (PACIFIC_CENTER_URL; else that of the instance in --home)")
	flags.StringVar(&c.username, "username", "", "who signs in, name@domain (PACIFIC_CENTER_USERNAME; else the instance's administrator)")
	flags.StringVar(&c.passwordFile, "password-file", "", "file with the password, - for standard input (PACIFIC_CENTER_PASSWORD_FILE; else the instance's, else a prompt)")
	flags.StringVar(&c.ca, "center-ca", "", "file of the authority that signed center's certificate (PACIFIC_CENTER_CA)")
}

// resolve fills in what no flag says.
func (c centerFlags) resolve(home *homeFlag) (centerFlags, error) {
	for field, name := range map[*string]string{
		&c.url: "PACIFIC_CENTER_URL", &c.username: "PACIFIC_CENTER_USERNAME", &c.passwordFile: "PACIFIC_CENTER_PASSWORD_FILE", &c.ca: "PACIFIC_CENTER_CA",
	} {
		if *field == "" {
			*field = os.Getenv(name)
		}
	}
	if c.url != "" {
		if c.username == "" {
			return c, errors.New("who signs in? Give --username or PACIFIC_CENTER_USERNAME")
		}
		return c, nil
	}
	_, l, err := home.load()
	if err != nil {
		return c, fmt.Errorf("%w; for a center elsewhere give --center or PACIFIC_CENTER_URL", err)
	}
	c.url = l.CenterURL()
	if c.ca == "" {
		c.ca = l.CenterCA()
	}
	if c.username == "" {
		c.username = "administrator"
		if c.passwordFile == "" {
			c.passwordFile = l.CenterPasswordFile()
		}
	}
	return c, nil
}

// open a client of center.
func (c centerFlags) open(cmd *cobra.Command, home *homeFlag) (*client.Client, error) {
	c, err := c.resolve(home)
	if err != nil {
		return nil, err
	}
	config := client.Config{URL: c.url, Username: c.username}
	if c.ca != "" {
		if config.CA, err = os.ReadFile(c.ca); err != nil {
			return nil, explainRoot(err)
		}
	}
	if config.Password, err = readPassword(cmd, c.passwordFile, "Password of "+c.username); err != nil {
		return nil, explainRoot(err)
	}
	return client.New(config)
}

func explainRoot(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run it as root, or sign in as somebody else by --center, --username and --center-ca", err)
	}
	return err
}

// withCenter does something with a client of center and signs out.
func withCenter(cmd *cobra.Command, home *homeFlag, flags *centerFlags, do func(context.Context, *client.Client) error) error {
	c, err := flags.open(cmd, home)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	err = do(ctx, c)
	// A session that is left behind ends by itself.
	_ = c.Close(context.WithoutCancel(ctx))
	return err
}

// readPassword from a file, from standard input, or from a person who does not see what he types.
func readPassword(cmd *cobra.Command, file, prompt string) (string, error) {
	switch {
	case file == "-":
		return firstLine(cmd.InOrStdin())
	case file != "":
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		return firstLine(strings.NewReader(string(data)))
	case !term.IsTerminal(int(os.Stdin.Fd())):
		return "", fmt.Errorf("%s: there is no terminal to ask at; give a file, or - for standard input", prompt)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", prompt)
	data, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(data), err
}

// firstLine without its end. It reads no byte beyond, so that another password may follow.
func firstLine(in io.Reader) (string, error) {
	reader, ok := in.(io.ByteReader)
	if !ok {
		reader = bufio.NewReaderSize(oneByte{in}, 16)
	}
	var line []byte
	for {
		b, err := reader.ReadByte()
		if b == '\n' || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if line = append(line, b); len(line) > 4096 {
			return "", errors.New("the password has no end")
		}
	}
	if text := strings.TrimSuffix(string(line), "\r"); text != "" {
		return text, nil
	}
	return "", errors.New("the password is empty")
}

// oneByte keeps a buffered reader from reading ahead.
type oneByte struct{ io.Reader }

func (o oneByte) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return o.Reader.Read(p[:1])
}

func centerCommand(home *homeFlag) *cobra.Command {
	var flags centerFlags
	cmd := &cobra.Command{
		Use:   "center",
		Short: "Administer center: its users, groups, permissions",
		Long: `Administers the management plane. Without flags it is the center of the instance in --home, and its administrator signs in:

    pacific center user create dev1            # asks for the password
    pacific center group create developers
    pacific center group add developers dev1
    pacific center permission set dev1 ReadOnly`,
	}
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(centerUserCommand(home, &flags), centerGroupCommand(home, &flags), centerPermissionCommand(home, &flags), centerPolicyCommand(home, &flags))
	return cmd
}

package kubectlvsphere

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// passwordVariable is the original's.
const passwordVariable = "KUBECTL_VSPHERE_PASSWORD"

// terminal is how the command speaks with its user. Questions go to err, so that out has only what was asked for.
type terminal struct {
	in       *bufio.Reader
	out, err io.Writer
	// interactive tells whether somebody can answer.
	interactive bool
	// hidden reads a line without showing it.
	hidden func() ([]byte, error)
	getenv func(string) string
}

func newTerminal() *terminal {
	stdin := int(os.Stdin.Fd())
	return &terminal{
		in: bufio.NewReader(os.Stdin), out: os.Stdout, err: os.Stderr,
		interactive: term.IsTerminal(stdin),
		hidden:      func() ([]byte, error) { return term.ReadPassword(stdin) },
		getenv:      os.Getenv,
	}
}

// username is the one of the flag, or asked for.
func (t *terminal) username(given string) (string, error) {
	if given == "" && t.interactive {
		answer, err := t.ask("Username: ")
		if err != nil {
			return "", err
		}
		given = answer
	}
	if given == "" {
		return "", errors.New("--vsphere-username is missing: give a user as name@domain")
	}
	if strings.ContainsAny(given, ":\r\n") {
		return "", fmt.Errorf("--vsphere-username %q: a name has no colon and no line break", given)
	}
	return given, nil
}

// password from the environment, by a question, or from standard input.
func (t *terminal) password() (string, error) {
	if password := t.getenv(passwordVariable); password != "" {
		return password, nil
	}
	var password string
	if t.interactive {
		fmt.Fprint(t.err, "Password: ")
		typed, err := t.hidden()
		fmt.Fprintln(t.err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		password = string(typed)
	} else {
		line, err := t.line()
		if err != nil {
			return "", fmt.Errorf("read the password from standard input: %w", err)
		}
		password = line
	}
	if password == "" {
		return "", errors.New("there is no password: set " + passwordVariable + ", give it on standard input, or use a terminal")
	}
	return password, nil
}

func (t *terminal) ask(question string) (string, error) {
	fmt.Fprint(t.err, question)
	line, err := t.line()
	return strings.TrimSpace(line), err
}

func (t *terminal) line() (string, error) {
	line, err := t.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

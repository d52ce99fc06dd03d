// Package cli is the pacific command line.
package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
)

// DefaultHome of an instance.
const DefaultHome = "/var/lib/pacific"

// Command is the whole command tree.
func Command() *cobra.Command {
	root := &cobra.Command{
		Use:   "pacific",
		Short: "Administer Pacific, and run it on one machine",
		Long: `Pacific turns a cluster of Linux hosts into one Kubernetes whose pods are virtual machines.

On one machine every host is a network namespace with the same daemons that a real host runs:

    pacific up                                 # three hosts and a Supervisor
    export KUBECONFIG=$(pacific kubeconfig)
    kubectl get nodes
    pacific down`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	var home homeFlag
	home.path = DefaultHome
	root.PersistentFlags().Var(&home, "home", "directory of the instance")
	root.AddCommand(
		upCommand(&home), downCommand(&home), statusCommand(&home), kubeconfigCommand(&home), demoCommand(&home),
		hostCommand(&home), namespaceCommand(&home), centerCommand(&home), placementCommand(&home), logsCommand(&home), versionCommand(), keeperCommand(&home), becomeCommand(&home),
	)
	return root
}

// homeFlag is a directory, kept as an absolute path.
type homeFlag struct{ path string }

func (h *homeFlag) String() string { return h.path }
func (h *homeFlag) Type() string   { return "DIR" }
func (h *homeFlag) Set(value string) (err error) {
	if value == "" {
		return fmt.Errorf("the directory's name is empty")
	}
	h.path, err = filepath.Abs(value)
	if err == nil {
		h.path, err = resolved(h.path)
	}
	return err
}

// resolved is the path without symbolic links, as far as it exists: one directory is one instance, however it is called.
func resolved(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) || path == "/" {
		return real, err
	}
	parent, err := resolved(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// load reads the instance in the home directory.
func (h *homeFlag) load() (instance.Instance, layout.Layout, error) {
	in, err := instance.Load(h.path)
	return in, layout.Layout{ID: in.ID, Home: in.Home}, err
}

// homeArg is how the user has to name the home in a command, empty for the default.
func homeArg(home string) string {
	if home == DefaultHome {
		return ""
	}
	return " --home " + quoted(home)
}

// plain words need no quotes in a shell.
var plain = regexp.MustCompile("^[A-Za-z0-9/._=:@%+-]+$")

// quoted is a word as a shell has to read it.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// self is how the user called this program.
func self() string {
	if filepath.IsAbs(os.Args[0]) || filepath.Base(os.Args[0]) != os.Args[0] {
		return os.Args[0]
	}
	return "pacific"
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"pacific/internal/hostagent"
	"pacific/internal/hostagent/systemd"
	"pacific/internal/onemachine/preflight"
)

// join is what the user said.
type join struct {
	dir, center, token, tokenFile, memory string
	noSystemd                             bool
	config                                hostagent.Config
}

func hostJoinCommand() *cobra.Command {
	j := join{dir: hostagent.DefaultDir, config: hostagent.DefaultConfig()}
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Make this machine a host of a center",
		Long: `Checks what this machine lacks, makes its keys, gets its certificates from center, and starts the host's agent.
The token and the fingerprint of center's authority come from, on center: pacific host token

    pacific host join --center https://10.0.0.9 --ca-sha256 9f3c… --token-file -

It may be repeated with the same token when it was interrupted.`,
		Args: cobra.NoArgs,
	}
	j.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return j.run(cmd) }
	return cmd
}

func (j *join) add(flags *pflag.FlagSet) {
	c := &j.config
	flags.StringVar(&j.center, "center", "", "URL of center, https://ADDRESS")
	flags.StringVar(&c.CASHA256, "ca-sha256", "", "SHA-256 of the certificate of center's authority")
	flags.StringVar(&j.tokenFile, "token-file", "", "file with the token, - for standard input")
	flags.StringVar(&j.token, "token", "", "the token itself; others on this machine can read it meanwhile, so better --token-file")
	flags.StringVar(&c.Name, "name", "", "name of the host, also as a Kubernetes node (this machine's)")
	flags.StringVar(&c.Address, "address", "", "this machine's address on the management network (by which it reaches center)")
	flags.StringVar(&c.Interface, "interface", "", "interface with --address (found)")
	flags.StringVar(&j.dir, "dir", j.dir, "directory of everything that the host keeps")
	flags.StringVar(&c.BinDir, "bin-dir", c.BinDir, "directory of the daemons' programs")
	flags.StringVar(&c.RunDir, "run-dir", c.RunDir, "directory of sockets; at most 55 characters")
	flags.StringVar(&c.RecordDir, "record-dir", c.RecordDir, "directory of the records of processes; it must be empty after a reboot")
	flags.StringVar(&c.LogDir, "log-dir", c.LogDir, "directory of the daemons' logs")
	flags.StringVar(&c.RegistryConfig, "registry-config", "", "directory of registries' authorities, <host:port>/ca.crt (one in --dir)")
	flags.StringVar(&c.ManagementBridge, "management-bridge", "", "bridge with the interface of --address in it, which control plane members share; without one the host has none of them")
	flags.StringVar(&c.NamespacePrefix, "namespace-prefix", c.NamespacePrefix, "begin of the names of network namespaces that the agent makes")
	flags.StringVar(&c.CgroupParent, "cgroup-parent", c.CgroupParent, "cgroup below which each machine gets its own")
	flags.StringVar(&c.Accelerator, "accelerator", c.Accelerator, "auto, kvm or tcg; auto boots a tiny guest to find out")
	flags.IntVar(&c.CPUs, "cpus", 0, "processors that machines may use (all)")
	flags.StringVar(&j.memory, "memory", "", "memory that machines may use, such as 8Gi (all)")
	flags.BoolVar(&j.noSystemd, "no-systemd", false, "do not make a systemd unit for the agent, but print what to run")
	flags.StringVar(&c.Prefix, "daemon-prefix", "", "prefix of the daemons' names, where hosts share --record-dir and --log-dir")
	_ = flags.MarkHidden("daemon-prefix")
}

func (j *join) run(cmd *cobra.Command) error {
	token, err := j.complete(cmd.InOrStdin(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	out, ctx := cmd.OutOrStdout(), cmd.Context()
	facts := hostagent.MachineFacts(j.config, version)
	if err := j.check(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "checked       %s, kernel %s: all there\n", facts.GetOperatingSystem(), facts.GetKernel())
	c, err := hostagent.Join(ctx, hostagent.Dir(j.dir), j.config, token, facts)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "joined        as %s (%s) in cluster %s of %s\n", c.Name, c.ID, c.Cluster, j.center)
	return j.startAgent(ctx, out)
}

// complete fills in what was not said, and reads the token.
func (j *join) complete(stdin io.Reader, stderr io.Writer) (token string, err error) {
	c := &j.config
	if j.center == "" || c.CASHA256 == "" {
		return "", errors.New("--center and --ca-sha256 are needed: pacific host token, on center, prints them")
	}
	if c.Center, err = hostagent.CenterAddress(j.center); err != nil {
		return "", err
	}
	if c.Name == "" {
		name, err := os.Hostname()
		if err != nil {
			return "", err
		}
		c.Name, _, _ = strings.Cut(strings.ToLower(name), ".")
	}
	if c.Address == "" {
		if c.Address, err = addressTowards(c.Center); err != nil {
			return "", err
		}
	}
	if j.memory != "" {
		quantity, err := resource.ParseQuantity(j.memory)
		if err != nil {
			return "", fmt.Errorf("--memory %q is no quantity such as 8Gi", j.memory)
		}
		c.MemoryBytes = quantity.Value()
	}
	for _, path := range []*string{&j.dir, &c.BinDir, &c.RunDir, &c.RecordDir, &c.LogDir} {
		if *path, err = filepath.Abs(*path); err != nil {
			return "", err
		}
	}
	return j.readToken(stdin, stderr)
}

func (j *join) readToken(stdin io.Reader, stderr io.Writer) (string, error) {
	switch {
	case j.token != "" && j.tokenFile != "":
		return "", errors.New("--token and --token-file exclude each other")
	case j.token != "":
		fmt.Fprintln(stderr, "pacific: others on this machine can read --token while this runs; --token-file - reads it from standard input")
		return strings.TrimSpace(j.token), nil
	case j.tokenFile == "":
		return "", errors.New("the token is missing: give --token-file FILE, or --token-file - for standard input")
	}
	var data []byte
	var err error
	if j.tokenFile == "-" {
		data, err = io.ReadAll(io.LimitReader(stdin, 4<<10))
	} else {
		data, err = os.ReadFile(j.tokenFile)
	}
	token := strings.TrimSpace(string(data))
	if err == nil && token == "" {
		err = fmt.Errorf("no token in %s", j.tokenFile)
	}
	return token, err
}

// addressTowards is the one that packets to center would come from; nothing is sent.
func addressTowards(center string) (string, error) {
	conn, err := net.Dial("udp", center)
	if err != nil {
		return "", fmt.Errorf("no way to center: %w; give this machine's address with --address", err)
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	return host, err
}

// check says all that this machine lacks, before anything is changed.
func (j *join) check(ctx context.Context) error {
	wanted := preflight.HostWanted{Accelerator: j.config.Accelerator, Dir: j.dir, BinDir: j.config.BinDir, Address: j.config.Address, Interface: j.config.Interface}
	facts, err := preflight.LookHost(ctx, wanted)
	if err != nil {
		return err
	}
	j.config.Interface = facts.Interface
	if facts.Bridge {
		j.config.ManagementBridge = facts.Interface
	}
	problems := preflight.HostProblems(facts, wanted)
	if len(problems) == 0 {
		return nil
	}
	lines := []string{"this machine is not ready to be a host; nothing was changed:"}
	for _, p := range problems {
		lines = append(lines, "  - "+p.String())
	}
	return errors.New(strings.Join(lines, "\n"))
}

// startAgent makes the machine start the agent, now and after a reboot.
func (j *join) startAgent(ctx context.Context, out io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := []string{program, "host", "agent", "--dir=" + j.dir}
	if j.noSystemd || !systemd.Runs() {
		fmt.Fprintf(out, "now run, and have it run after each reboot:\n    %s\n", strings.Join(command, " "))
		return nil
	}
	if err := systemd.Install(ctx, command); err != nil {
		return err
	}
	fmt.Fprintf(out, "started       %s; see: journalctl -u %s\n", systemd.Unit, systemd.Unit)
	return nil
}

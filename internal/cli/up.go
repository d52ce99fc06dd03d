package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"pacific/internal/onemachine"
	"pacific/internal/onemachine/instance"
)

func upCommand(home *homeFlag) *cobra.Command {
	request := onemachine.Request{}
	var memory string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring up hosts and a Supervisor on this machine, or complete what is up",
		Long: `Brings up an instance of Pacific on this machine: hosts as network namespaces, a registry and a Supervisor.
What is up already is kept, so the command may be given again at any time. Options are remembered; only those
that are given change.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.IntVar(&request.Hosts, "hosts", 0, "how many hosts (3 for a new instance)")
	flags.StringVar(&request.Accelerator, "accel", "", "auto, kvm or tcg (auto for a new instance: what a guest is seen to boot with)")
	flags.StringVar(&request.BinDir, "bin-dir", "", "directory of the daemons' programs (this program's)")
	flags.IntVar(&request.HostCPUs, "host-cpus", 0, "processors of each host (this machine's for a new instance)")
	flags.StringVar(&memory, "host-memory", "", "memory of each host, such as 4Gi (a share of this machine's for a new instance)")
	flags.IntVar(&request.ControlPlanes, "control-planes", 0, "how many control plane members, 1, 3 or 5, each on a host of its own (1 for a new instance)")
	flags.StringVar(&request.ControlPlane, "control-plane", "", "what they are: vm, process, or auto (machines where KVM works, else processes, since an emulated one is eight times slower)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		request.Home = home.path
		if err := complete(&request, memory); err != nil {
			return err
		}
		return up(cmd.Context(), cmd.OutOrStdout(), request)
	}
	return cmd
}

func complete(request *onemachine.Request, memory string) (err error) {
	if request.Hosts < 0 || request.HostCPUs < 0 {
		return fmt.Errorf("--hosts and --host-cpus must be positive")
	}
	if memory != "" {
		quantity, err := resource.ParseQuantity(memory)
		if err != nil {
			return fmt.Errorf("--host-memory %q is no quantity such as 4Gi", memory)
		}
		request.HostMemory = quantity.Value()
	}
	if request.BinDir == "" {
		request.BinDir, err = onemachine.DefaultBinDir()
		return err
	}
	request.BinDir, err = filepath.Abs(request.BinDir)
	return err
}

func up(ctx context.Context, out io.Writer, request onemachine.Request) error {
	show := newProgress(stdout)
	up := &onemachine.Up{Request: request, Claims: instance.DefaultClaims, Warn: show.warn}
	defer up.Close()
	if err := show.run(ctx, up.Stages()); err != nil {
		return err
	}
	status := onemachine.GetStatus(ctx, up.Instance())
	fmt.Fprintf(out, `
Pacific is up: %d hosts, accelerator %s, Kubernetes %s, registry %s.

    export KUBECONFIG=$(%s kubeconfig%s)
    %s get nodes
`, len(status.Hosts), status.Accelerator, status.Supervisor.Version, status.Registry.Address,
		self(), homeArg(request.Home), filepath.Join(filepath.Dir(self()), "kubectl"))
	return nil
}

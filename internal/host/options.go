// Package host puts the parts of hostd together.
package host

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"pacific/internal/host/image"
	"pacific/internal/host/standby"
	"pacific/internal/host/template"
)

// Options of hostd.
type Options struct {
	Version                    string
	Name, Listen               string
	ManagementBridge           string
	MetricsListen              string
	StateDir, RunDir, GuestDir string
	TLSCert, TLSKey, ClientCA  string
	Accelerator                string
	CPUs                       uint32
	MemoryBytes                uint64
	CgroupParent               string
	RegistryConfig             string
	QEMU                       string
	QEMUPlugin                 string
	ImageGarbage               image.GarbagePolicy
	// Templates are made before anybody asks for them.
	Templates []string
	// InstantClone starts CRX from templates.
	InstantClone bool
	// Standbys of each of Templates; standby.Automatic leaves it to the accelerator.
	Standbys int
}

// DefaultOptions are those of a host of its own.
func DefaultOptions() *Options {
	name, _ := os.Hostname()
	return &Options{
		Name: name, Listen: ":7443", MetricsListen: ":7444",
		StateDir: "/var/lib/pacific/hostd", RunDir: "/run/pacific/hostd", GuestDir: "/usr/lib/pacific/guest",
		TLSCert: "/etc/pacific/hostd.crt", TLSKey: "/etc/pacific/hostd.key", ClientCA: "/etc/pacific/host-ca.crt",
		Accelerator: "auto", CgroupParent: "/pacific", RegistryConfig: "/etc/pacific/registries",
		CPUs: uint32(runtime.NumCPU()), MemoryBytes: physicalMemory(), QEMU: "qemu-system-x86_64", QEMUPlugin: "/usr/lib/pacific/tcgtrim.so",
		ImageGarbage: image.DefaultGarbagePolicy,
		Templates:    []string{"agent:1:352:1"}, InstantClone: true, Standbys: standby.Automatic,
	}
}

// AddFlags adds hostd's flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Name, "name", o.Name, "name of the host; spherelet:<name> may use it")
	flags.StringVar(&o.Listen, "listen", o.Listen, "address of the API, IP:PORT")
	flags.StringVar(&o.MetricsListen, "metrics-listen", o.MetricsListen, "address of /metrics for Prometheus, IP:PORT; empty for none")
	flags.StringVar(&o.ManagementBridge, "management-bridge", o.ManagementBridge, "bridge of the management network, with the host's uplink, for machines that have a port there; empty for none")
	flags.StringVar(&o.StateDir, "state-dir", o.StateDir, "directory of records, disks and images")
	flags.StringVar(&o.RunDir, "run-dir", o.RunDir, "directory of sockets; at most 55 characters")
	flags.StringVar(&o.GuestDir, "guest-dir", o.GuestDir, "directory with vmlinux, crx-init and personalities/")
	flags.StringVar(&o.TLSCert, "tls-cert", o.TLSCert, "serving certificate")
	flags.StringVar(&o.TLSKey, "tls-key", o.TLSKey, "key of the serving certificate")
	flags.StringVar(&o.ClientCA, "client-ca", o.ClientCA, "authority that signs clients' certificates")
	flags.StringVar(&o.Accelerator, "accelerator", o.Accelerator, "auto, kvm or tcg; auto boots a tiny guest to find out")
	flags.Uint32Var(&o.CPUs, "cpus", o.CPUs, "virtual processors that one machine may have")
	flags.Uint64Var(&o.MemoryBytes, "memory", o.MemoryBytes, "bytes of memory that all running machines may have together")
	flags.StringVar(&o.CgroupParent, "cgroup-parent", o.CgroupParent, "cgroup below which each machine gets its own")
	flags.StringVar(&o.RegistryConfig, "registry-config", o.RegistryConfig, "directory of registries, <host:port>/ca.crt")
	flags.Uint64Var(&o.ImageGarbage.HighPercent, "image-gc-high-threshold", o.ImageGarbage.HighPercent, "percent of the datastore in use at which unused images are removed")
	flags.Uint64Var(&o.ImageGarbage.LowPercent, "image-gc-low-threshold", o.ImageGarbage.LowPercent, "percent of the datastore in use at which the removal of images ends")
	flags.DurationVar(&o.ImageGarbage.MinAge, "minimum-image-ttl-duration", o.ImageGarbage.MinAge, "how long an unused image stays at least")
	flags.BoolVar(&o.InstantClone, "instant-clone", o.InstantClone, "start CRX as copies of templates; without it each boots")
	flags.StringSliceVar(&o.Templates, "templates", o.Templates, "templates of CRX to make before they are asked for, each PERSONALITY:VCPUS:MEBIBYTES:PORTS; those of other classes are made when first asked for")
	flags.IntVar(&o.Standbys, "standbys", o.Standbys, "machines of each of --templates that wait to be taken over by a CRX; -1 for up to 8 in an eighth of the memory without KVM, and none with it")
	flags.StringVar(&o.QEMU, "qemu", o.QEMU, "path or name of the QEMU binary")
	flags.StringVar(&o.QEMUPlugin, "qemu-plugin", o.QEMUPlugin, "path of tcgtrim.so, by which QEMU frees memory of translated code where guests are emulated; empty for none")
}

// maxRunDir leaves room for "/m/<36 characters>/personality" in the 107 bytes of a socket's path.
const maxRunDir = 55

func (o *Options) validate() error {
	switch {
	case o.Name == "":
		return fmt.Errorf("--name is empty")
	case !filepath.IsAbs(o.StateDir) || !filepath.IsAbs(o.RunDir) || !filepath.IsAbs(o.GuestDir):
		return fmt.Errorf("--state-dir, --run-dir and --guest-dir must be absolute paths: the VMM runs in another root")
	case len(o.RunDir) > maxRunDir:
		return fmt.Errorf("--run-dir %s has %d characters; at most %d are possible, since sockets are below it", o.RunDir, len(o.RunDir), maxRunDir)
	case o.Accelerator != "auto" && o.Accelerator != "kvm" && o.Accelerator != "tcg":
		return fmt.Errorf("--accelerator %q is neither auto, kvm nor tcg", o.Accelerator)
	case o.Standbys < standby.Automatic:
		return fmt.Errorf("--standbys %d is no number of machines; -1 lets hostd choose", o.Standbys)
	case o.CPUs == 0 || o.MemoryBytes == 0:
		return fmt.Errorf("--cpus and --memory must not be 0")
	}
	if err := o.ImageGarbage.Check(); err != nil {
		return fmt.Errorf("--image-gc-high-threshold, --image-gc-low-threshold, --minimum-image-ttl-duration: %w", err)
	}
	_, err := o.templates()
	return err
}

// plugin of QEMU, "" where there is none.
func (o *Options) plugin() string {
	if o.QEMUPlugin == "" {
		return ""
	}
	if _, err := os.Stat(o.QEMUPlugin); err != nil {
		slog.Warn("QEMU keeps the memory of translated code; build tcgtrim.so and set --qemu-plugin", "err", err)
		return ""
	}
	return o.QEMUPlugin
}

func (o *Options) templates() ([]template.Class, error) {
	var classes []template.Class
	for _, text := range o.Templates {
		class, err := template.ParseClass(text)
		if err != nil {
			return nil, fmt.Errorf("--templates: %w", err)
		}
		classes = append(classes, class)
	}
	return classes, nil
}

func physicalMemory() uint64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return info.Totalram * uint64(info.Unit)
}

package hostagent

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/keeper"
)

// Ports of the daemons.
const (
	hostdPort     = 7443
	metricsPort   = 7444
	sphereletPort = 10250
)

// Kinds of daemons that an agent keeps; their names have the host's prefix before.
const (
	hostd     = "hostd"
	spherelet = "spherelet"
	dataplane = "dataplane"
)

var kinds = []string{hostd, spherelet, dataplane}

// owns tells whether a daemon is one of this host's.
func (c Config) owns(name string) bool {
	return strings.HasPrefix(name, c.Prefix+memberPrefix) || slices.ContainsFunc(kinds, func(kind string) bool { return name == c.Prefix+kind })
}

// Daemons that the host runs, in start order, when center wants this. The agent starts those whose certificates are there.
func Daemons(dir Dir, c Config, wanted *centerv1.Wanted) []keeper.Daemon {
	p := planner{dir, c}
	daemons := []keeper.Daemon{p.hostd()}
	for _, m := range wanted.GetMembers() {
		daemons = append(daemons, p.member(m))
	}
	if node := wanted.GetNode(); node != nil {
		daemons = append(daemons, p.spherelet(node), p.dataplane())
	}
	return daemons
}

// Daemons that this host runs by what is on disk.
func (d Dir) Daemons() ([]keeper.Daemon, error) {
	c, err := d.Load()
	if err != nil {
		return nil, err
	}
	wanted, err := d.loadWanted()
	if err != nil {
		return nil, err
	}
	return Daemons(d, c, wanted), nil
}

type planner struct {
	dir Dir
	Config
}

func (p planner) daemon(kind string, args ...string) keeper.Daemon {
	return keeper.Daemon{
		Name: p.Prefix + kind, Program: filepath.Join(p.BinDir, kind), Args: args,
		Log: filepath.Join(p.LogDir, p.Prefix+kind+".log"),
	}
}

func (p planner) at(port int) string { return net.JoinHostPort(p.Address, strconv.Itoa(port)) }

func (p planner) registryConfig() string {
	if p.RegistryConfig != "" {
		return p.RegistryConfig
	}
	return p.dir.file("registries")
}

func (p planner) hostd() keeper.Daemon {
	args := []string{
		"--name=" + p.Name,
		"--listen=" + p.at(hostdPort),
		"--metrics-listen=" + p.at(metricsPort),
		"--state-dir=" + p.dir.file("hostd"),
		"--run-dir=" + p.RunDir,
		"--guest-dir=" + filepath.Join(p.BinDir, "guest"),
		"--qemu-plugin=" + filepath.Join(p.BinDir, "tcgtrim.so"),
		"--tls-cert=" + p.dir.cert(centerv1.Purpose_HOSTD), "--tls-key=" + p.dir.key(centerv1.Purpose_HOSTD),
		"--client-ca=" + p.dir.hostCA(),
		"--accelerator=" + p.Accelerator,
	}
	if p.CPUs > 0 {
		args = append(args, "--cpus="+strconv.Itoa(p.CPUs))
	}
	if p.ManagementBridge != "" {
		args = append(args, "--management-bridge="+p.ManagementBridge)
	}
	if p.MemoryBytes > 0 {
		args = append(args, "--memory="+strconv.FormatInt(p.MemoryBytes, 10))
	}
	return p.daemon(hostd, append(args, "--cgroup-parent="+p.CgroupParent, "--registry-config="+p.registryConfig())...)
}

func (p planner) spherelet(node *centerv1.Node) keeper.Daemon {
	d := p.daemon(spherelet,
		"--node-name="+p.Name,
		"--node-ip="+p.Address,
		"--kubeconfig="+p.dir.SphereletKubeconfig(),
		"--state-dir="+p.dir.file("spherelet"),
		"--listen="+p.at(sphereletPort),
		"--tls-cert="+p.dir.cert(centerv1.Purpose_NODE_SERVING), "--tls-key="+p.dir.key(centerv1.Purpose_NODE_SERVING),
		"--client-ca="+p.dir.supervisorCA(),
		"--hostd="+p.at(hostdPort),
		"--hostd-ca="+p.dir.hostCA(),
		"--hostd-cert="+p.dir.cert(centerv1.Purpose_HOSTD_SPHERELET), "--hostd-key="+p.dir.key(centerv1.Purpose_HOSTD_SPHERELET),
		"--cluster-dns="+node.GetClusterDns(),
		"--cluster-domain="+node.GetClusterDomain())
	d.AfterSupervisor = true
	return d
}

func (p planner) dataplane() keeper.Daemon {
	d := p.daemon(dataplane,
		"--node-name="+p.Name,
		"--node-ip="+p.Address,
		"--kubeconfig="+p.dir.DataplaneKubeconfig(),
		"--interface="+p.Interface)
	d.AfterSupervisor = true
	return d
}

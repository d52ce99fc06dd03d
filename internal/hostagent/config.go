// Package hostagent is what a host runs beside its daemons: it joins the host to center, keeps its certificates fresh, reports,
// and keeps the daemons running that center wants.
//
// What center wants is kept on disk, so that a host goes on, and comes back after a reboot, while center is away. The agent may
// be killed at any time: its daemons run on, and the next agent adopts them.
package hostagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"pacific/internal/keeper"
	"pacific/internal/process"
)

// DefaultDir of a host.
const DefaultDir = "/var/lib/pacific-host"

// Config of a host: what it was told when it joined. It is the content of agent.json.
type Config struct {
	Name    string `json:"name"`
	ID      string `json:"id,omitempty"` // that center gave it
	Cluster string `json:"cluster,omitempty"`
	Address string `json:"address"` // on the management network
	Center  string `json:"center"`  // host:port for agents
	// CASHA256 is the fingerprint of center's authority.
	CASHA256 string `json:"caSHA256"`

	BinDir string `json:"binDir"`
	// RunDir is hostd's, for what dies with the machine.
	RunDir         string `json:"runDir"`
	RecordDir      string `json:"recordDir"`
	LogDir         string `json:"logDir"`
	RegistryConfig string `json:"registryConfig,omitempty"` // below the agent's directory if empty
	// Prefix of the daemons' names, where several hosts share RecordDir and LogDir.
	Prefix       string `json:"prefix,omitempty"`
	CgroupParent string `json:"cgroupParent"`
	Interface    string `json:"interface"` // that carries Address
	// ManagementBridge has the uplink of the management network; control plane members are on it. Empty for a host that has none.
	ManagementBridge string `json:"managementBridge,omitempty"`
	// NamespacePrefix begins the names of the network namespaces that the agent makes.
	NamespacePrefix string `json:"namespacePrefix"`
	Accelerator     string `json:"accelerator"`
	CPUs            int    `json:"cpus"`
	MemoryBytes     int64  `json:"memoryBytes"`
}

// DefaultConfig is that of a machine that is a host and nothing else.
func DefaultConfig() Config {
	return Config{
		BinDir: "/usr/lib/pacific", RunDir: "/run/pacific/host", RecordDir: "/run/pacific/host-daemons", LogDir: "/var/log/pacific",
		CgroupParent: "/pacific", NamespacePrefix: "pacific-", Accelerator: "auto",
	}
}

// Dir is a host's directory.
type Dir string

func (d Dir) file(name string) string { return filepath.Join(string(d), name) }

func (d Dir) config() string { return d.file("agent.json") }

func (d Dir) wanted() string { return d.file("wanted.json") }

func (d Dir) pki(name string) string { return d.file(filepath.Join("pki", name)) }

// centerCA trusts center; hostCA trusts hostd and its clients; supervisorCA trusts the Kubernetes API.
func (d Dir) centerCA() string     { return d.pki("center-ca.crt") }
func (d Dir) hostCA() string       { return d.pki("host-ca.crt") }
func (d Dir) supervisorCA() string { return d.pki("supervisor-ca.crt") }

// agentPair holds the agent's certificate and its key in one file, which is replaced as a whole: without either the agent could not
// ask for another.
func (d Dir) agentPair() string { return d.pki("agent.pem") }

// SphereletKubeconfig and DataplaneKubeconfig are how the two reach the Kubernetes API.
func (d Dir) SphereletKubeconfig() string { return d.file("spherelet.kubeconfig") }

// DataplaneKubeconfig is the dataplane's.
func (d Dir) DataplaneKubeconfig() string { return d.file("dataplane.kubeconfig") }

// ErrNotJoined says that a directory is not that of a host.
var ErrNotJoined = errors.New("this host has not joined a center")

// Load reads the host's configuration. The error wraps [ErrNotJoined] where there is none.
func (d Dir) Load() (Config, error) {
	data, err := os.ReadFile(d.config())
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, fmt.Errorf("%s: %w; join it with: pacific host join", d, ErrNotJoined)
	}
	if err != nil {
		return Config{}, err
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("%s is damaged: %w", d.config(), err)
	}
	return c, c.validate()
}

// Save writes the configuration, last of all that joining writes: a host with one has joined.
func (d Dir) Save(c Config) error { return d.writeJSON(d.config(), c) }

func (d Dir) writeJSON(file string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(file, append(data, '\n'), 0o600, renameio.IgnoreUmask())
}

func (c Config) validate() error {
	address, err := netip.ParseAddr(c.Address)
	switch {
	case c.Name == "":
		return errors.New("the host has no name; give one with --name")
	case err != nil || address.IsUnspecified():
		return fmt.Errorf("%q is no address of this host; give one with --address", c.Address)
	case !filepath.IsAbs(c.BinDir) || !filepath.IsAbs(c.RunDir) || !filepath.IsAbs(c.RecordDir) || !filepath.IsAbs(c.LogDir):
		return errors.New("--bin-dir, --run-dir, --record-dir and --log-dir must be absolute paths")
	case !strings.HasPrefix(c.CgroupParent, "/") || c.CgroupParent == "/":
		return fmt.Errorf("--cgroup-parent %q must be the absolute path of a cgroup of its own, such as /pacific", c.CgroupParent)
	case c.Accelerator != "auto" && c.Accelerator != "kvm" && c.Accelerator != "tcg":
		return fmt.Errorf("--accelerator %q is none of auto, kvm, tcg", c.Accelerator)
	case c.CPUs < 0 || c.MemoryBytes < 0:
		return errors.New("--cpus and --memory must be positive")
	}
	return nil
}

// Records of the daemons' processes.
func (c Config) Records() process.Records { return process.Records{Dir: c.RecordDir} }

func (c Config) ends() keeper.Ends { return keeper.Ends{Dir: c.RecordDir} }

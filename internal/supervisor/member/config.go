// Package member is the configuration of one member of a Supervisor: the document that says who it is, who the others are,
// and what they share. Whoever makes the members writes it; a member reads it at each start.
package member

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"pacific/internal/supervisor/pki"
)

const (
	// PeerPort is where etcd's members talk to each other, APIPort where the management API is served.
	PeerPort = 2380
	APIPort  = 2381
	// maxDocument is far more than any configuration has, so that a wrong file is not read into memory.
	maxDocument = 1 << 20
)

// Config of a member. It holds secrets.
type Config struct {
	// Supervisor is the id of the Supervisor, the same for all its members and no other, such as domain-c1.
	Supervisor string `json:"supervisor"`
	// Name of this member, one of Members.
	Name string `json:"name"`
	// DataDir is where the member keeps everything. It must last as long as the member.
	DataDir string `json:"dataDir"`
	// Members are all members, this one among them: 1, 3 or 5 when the Supervisor is formed.
	Members []Member `json:"members"`
	Etcd    Etcd     `json:"etcd"`
	// Floating is the address that one healthy member holds; nil for none.
	Floating *Floating `json:"floating,omitempty"`
	// TimeFactor makes all time limits between the members longer: 1 (the default) for machines with hardware
	// virtualization and processes, 4 for emulated machines. The same for all members.
	TimeFactor int `json:"timeFactor,omitempty"`

	ServiceCIDR netip.Prefix `json:"serviceCIDR"`
	PodCIDR     netip.Prefix `json:"podCIDR"`
	// CertificateNames are further DNS names and addresses for the kube-apiserver's certificate.
	CertificateNames []string `json:"certificateNames,omitempty"`
	// HostClient is for the hostds; its common name is image-controller.
	HostClient HostClient `json:"hostClient"`
	// Registries are the authorities (PEM) of registries by host:port, for resolving tags.
	Registries map[string]string `json:"registries,omitempty"`
	// Tokens is how people sign in; nil for not at all.
	Tokens *Tokens `json:"tokens,omitempty"`
	// Dataplane is set for a member that takes part in routing and Services by itself; nil where another process does that.
	Dataplane *Dataplane `json:"dataplane,omitempty"`
	// PKI is what the members share.
	PKI *pki.Bundle `json:"pki"`
}

// Member of a Supervisor.
type Member struct {
	Name string `json:"name"`
	// Address is its own, which does not move.
	Address netip.Addr `json:"address"`
}

// PeerURL is where etcd's other members reach it.
func (m Member) PeerURL() string {
	return fmt.Sprintf("https://%s", netip.AddrPortFrom(m.Address, PeerPort))
}

// InitialState says whether a member without data begins a Supervisor together with the others, or comes to one that is there.
type InitialState string

// States.
const (
	New      InitialState = "new"
	Existing InitialState = "existing"
)

// Etcd of a member.
type Etcd struct {
	// InitialState counts only while the member has no data.
	InitialState InitialState `json:"initialState"`
	// RestoreFrom is a snapshot of etcd from which the data are made while there are none; empty for no snapshot. All
	// members begin from the same file, with InitialState new.
	RestoreFrom string `json:"restoreFrom,omitempty"`
}

// Floating address.
type Floating struct {
	// Address and the length of its network's prefix, such as 10.77.0.2/24.
	Address netip.Prefix `json:"address"`
	// Interface that gets it, such as eth0.
	Interface string `json:"interface"`
}

// HostClient is the client certificate for the hostds and the authority that signs hostds' certificates, all PEM.
type HostClient struct {
	CA          string `json:"ca"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Tokens are those of center, by which people sign in.
type Tokens struct {
	// Issuer is the URL that stands in them, such as https://10.77.0.9/openidconnect; CA is the authority (PEM) of its certificate.
	Issuer string `json:"issuer"`
	CA     string `json:"ca"`
	// PluginDir has what people download to sign in; empty for the directory plugins beside the program.
	PluginDir string `json:"pluginDir,omitempty"`
}

// Dataplane of the control plane.
type Dataplane struct {
	// Interface carries the member's address, such as eth0.
	Interface string `json:"interface"`
}

// Self is this member.
func (c *Config) Self() Member {
	for _, member := range c.Members {
		if member.Name == c.Name {
			return member
		}
	}
	return Member{}
}

// Alone tells whether there are no other members: nothing is elected, and the floating address never moves.
func (c *Config) Alone() bool { return len(c.Members) == 1 }

// Read reads a configuration from a YAML or JSON file and checks it. No error quotes a secret.
func Read(file string) (Config, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	if info.Size() > maxDocument {
		return Config{}, fmt.Errorf("configuration %s: %d bytes are too many for one: is it the right file?", file, info.Size())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	config, err := Decode(data)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", file, err)
	}
	return config, nil
}

// Decode decodes a configuration strictly: a field that is unknown, or there twice, is an error.
func Decode(data []byte) (Config, error) {
	var config Config
	if err := yaml.UnmarshalStrict(data, &config); err != nil {
		// A parser may quote the line that it could not read, which may be a key's.
		return Config{}, fmt.Errorf("%s", redact(err.Error()))
	}
	if config.TimeFactor == 0 {
		config.TimeFactor = 1
	}
	return config, config.Validate()
}

// Encode writes the configuration as a document that Decode reads.
func (c *Config) Encode() ([]byte, error) { return yaml.Marshal(c) }

// redact cuts what a message quotes of a PEM block.
func redact(message string) string {
	if i := strings.Index(message, "-----BEGIN"); i >= 0 {
		return message[:i] + "(a PEM block)"
	}
	return message
}

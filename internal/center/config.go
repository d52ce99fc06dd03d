// Package center is the management plane of a fleet of hosts in one process.
package center

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"pacific/internal/center/hosts"
	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// Port of everything HTTP; that of the hosts' agents is [hosts.AgentPort].
const Port = 443

// Config is what center's flags say.
type Config struct {
	DataDir string
	Address net.IP
	// Names by which clients know center besides its address.
	Names []string
	// Domain of the people that center itself knows.
	Domain string
	Etcd   store.External
	// AdministratorPasswordFile gets the first administrator's password.
	AdministratorPasswordFile string
	// HostCACert and HostCAKey are the hosts' authority, where it is not center's own.
	HostCACert, HostCAKey string
	// RegistryConfig is a directory of registries' authorities, <host:port>/ca.crt, or "".
	RegistryConfig string
}

// AddFlags binds the configuration to flags.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.DataDir, "data-dir", "/var/lib/pacific/center", "directory of everything that center keeps: state, keys, certificates, audit log")
	flags.IPVar(&c.Address, "address", nil, "IP address on which center listens, ports 443 and 7440")
	flags.StringSliceVar(&c.Names, "dns-name", nil, "name by which clients reach center; may be repeated")
	flags.StringVar(&c.Domain, "domain", "pacific.local", "domain of the users that center itself knows")
	flags.StringVar(&c.AdministratorPasswordFile, "administrator-password-file", "", "file that gets the administrator's first password, 0600; without it the password is printed once")
	flags.StringVar(&c.HostCACert, "host-ca-cert", "", "certificate of the hosts' authority; without it center makes its own")
	flags.StringVar(&c.HostCAKey, "host-ca-key", "", "key of --host-ca-cert")
	flags.StringVar(&c.RegistryConfig, "registry-config", "", "directory of registries' authorities for all hosts, <host:port>/ca.crt")
	flags.StringSliceVar(&c.Etcd.Endpoints, "etcd-endpoint", nil, "https URL of an etcd to keep the state in; without it center runs its own")
	flags.StringVar(&c.Etcd.CA, "etcd-ca", "", "certificate authority of --etcd-endpoint")
	flags.StringVar(&c.Etcd.Cert, "etcd-cert", "", "client certificate for --etcd-endpoint")
	flags.StringVar(&c.Etcd.Key, "etcd-key", "", "key of --etcd-cert")
}

func (c *Config) validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("--data-dir is missing: name a directory that lasts"))
	}
	if c.Address == nil || c.Address.IsUnspecified() {
		errs = append(errs, fmt.Errorf("--address %v: give an address of this machine that hosts and users can reach", c.Address))
	}
	if c.Domain == "" {
		errs = append(errs, errors.New("--domain is empty: give a domain such as pacific.local"))
	}
	if (c.HostCACert == "") != (c.HostCAKey == "") {
		errs = append(errs, errors.New("--host-ca-cert and --host-ca-key go together"))
	}
	if len(c.Etcd.Endpoints) > 0 {
		errs = append(errs, c.Etcd.Validate())
	}
	return errors.Join(errs...)
}

// Layout says where center's files are.
type Layout struct{ DataDir string }

func (l Layout) pki(name string) string { return filepath.Join(l.DataDir, "pki", name) }

// EtcdDir is the state's.
func (l Layout) EtcdDir() string { return filepath.Join(l.DataDir, "etcd") }

// Audit log.
func (l Layout) Audit() string { return filepath.Join(l.DataDir, "audit.log") }

// SigningKeys is the directory of the keys that sign assertions.
func (l Layout) SigningKeys() string { return l.pki("sts") }

// CA is center's own authority.
func (l Layout) CA() (cert, key string) { return l.pki("ca.crt"), l.pki("ca.key") }

// HostCA signs what hostd and its clients use.
func (l Layout) HostCA() (cert, key string) { return l.pki("host-ca.crt"), l.pki("host-ca.key") }

// hostCA is center's own, or another's.
func (c *Config) hostCA() (cert, key string) {
	if c.HostCACert != "" {
		return c.HostCACert, c.HostCAKey
	}
	return Layout{c.DataDir}.HostCA()
}

// Serving is center's certificate.
func (l Layout) Serving() (cert, key string) { return l.pki("center.crt"), l.pki("center.key") }

// url by which clients reach center.
// issuer of the tokens by which people sign in at Supervisors.
func (c *Config) issuer() string { return c.url() + "/openidconnect" }

func (c *Config) url() string { return (&url.URL{Scheme: "https", Host: hostOf(c.Address)}).String() }

func hostOf(ip net.IP) string {
	if ip.To4() == nil {
		return "[" + ip.String() + "]"
	}
	return ip.String()
}

// leaves are the certificates that center signs for itself.
func (c *Config) leaves() []pki.Leaf {
	cert, key := Layout{c.DataDir}.Serving()
	return []pki.Leaf{{
		CertFile: cert, KeyFile: key, CommonName: "center", DNSNames: append([]string{"center"}, c.Names...),
		IPs: []net.IP{c.Address}, Server: true,
	}}
}

// registries are the authorities for all hosts. A directory that cannot be read now is read again at the next look.
func (c *Config) registries() map[string][]byte {
	registries, err := hosts.Registries(c.RegistryConfig)
	if err != nil {
		klog.ErrorS(err, "Cannot read the registries' authorities")
	}
	return registries
}

package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/spf13/pflag"

	"pacific/internal/supervisor/controllers/hostdial"
	"pacific/internal/supervisor/login"
	"pacific/internal/supervisor/pki"
)

// Port of the kube-apiserver.
const Port = 6443

// Config is what the supervisor's flags say.
type Config struct {
	DataDir          string
	AdvertiseAddress net.IP
	ServiceCIDR      string
	PodCIDR          string
	Host             hostdial.Files
	RegistryConfig   string
	Tokens           Tokens
}

// Tokens is how people sign in; without an issuer they cannot.
type Tokens struct {
	// Issuer is the URL that stands in center's tokens, CA the file with the authority of its certificate, Audience the id by
	// which center knows this Supervisor.
	Issuer, CA, Audience string
	// PluginDir has what people download to sign in.
	PluginDir string
}

// AddFlags binds the configuration to flags.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.DataDir, "data-dir", "", "directory of everything that the Supervisor keeps: etcd, certificates, kubeconfigs")
	flags.IPVar(&c.AdvertiseAddress, "advertise-address", nil, "IPv4 address on which the kube-apiserver listens, port 6443")
	flags.StringVar(&c.ServiceCIDR, "service-cidr", "10.96.0.0/16", "prefix of the ClusterIPs of Services")
	flags.StringVar(&c.PodCIDR, "pod-cidr", "10.244.0.0/16", "prefix of the addresses of pods; every node gets a /24 of it")
	flags.StringVar(&c.Host.CA, "host-ca", "", "certificate authority of the hostds")
	flags.StringVar(&c.Host.Cert, "host-cert", "", "client certificate for the hostds, with the common name image-controller")
	flags.StringVar(&c.Host.Key, "host-key", "", "key of --host-cert")
	flags.StringVar(&c.RegistryConfig, "registry-config", "", "directory with <host:port>/ca.crt for registries, to resolve tags")
	flags.StringVar(&c.Tokens.Issuer, "token-issuer", "", "URL of center that stands in its tokens, such as https://10.77.0.9/openidconnect; without it nobody signs in, and port 443 stays closed")
	flags.StringVar(&c.Tokens.CA, "token-issuer-ca", "", "certificate authority of --token-issuer")
	flags.StringVar(&c.Tokens.Audience, "token-audience", "", "id by which center knows this Supervisor, such as domain-c1")
	flags.StringVar(&c.Tokens.PluginDir, "plugin-dir", "", "directory with <os>-<arch>/vsphere-plugin.zip to download; by default plugins beside this program")
}

// validate says everything that is wrong with the flags.
func (c *Config) validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("--data-dir is missing: name a directory that lasts"))
	}
	if ip := c.AdvertiseAddress; ip == nil || ip.To4() == nil || ip.IsUnspecified() {
		errs = append(errs, fmt.Errorf("--advertise-address %v: give an IPv4 address of this machine that hosts and pods can reach", ip))
	}
	for flag, file := range map[string]string{"host-ca": c.Host.CA, "host-cert": c.Host.Cert, "host-key": c.Host.Key} {
		if file == "" {
			errs = append(errs, fmt.Errorf("--%s is missing: name the file, or no host can be told to pull an image", flag))
		}
	}
	errs = append(errs, login.Validate(c.Tokens.Issuer, c.Tokens.CA, c.Tokens.Audience))
	services, err := parseCIDR("service-cidr", c.ServiceCIDR)
	errs = append(errs, err)
	pods, err := parseCIDR("pod-cidr", c.PodCIDR)
	errs = append(errs, err)
	if pods.IsValid() && pods.Bits() > 24 {
		errs = append(errs, fmt.Errorf("--pod-cidr %s has no room for one /24: give a prefix of at most 24 bits", c.PodCIDR))
	}
	if services.IsValid() && pods.IsValid() && services.Overlaps(pods) {
		errs = append(errs, fmt.Errorf("--service-cidr %s and --pod-cidr %s overlap: give prefixes that do not", c.ServiceCIDR, c.PodCIDR))
	}
	return errors.Join(errs...)
}

func parseCIDR(flag, value string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(value)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("--%s: %w", flag, err)
	}
	if !prefix.Addr().Is4() || prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("--%s %s: give an IPv4 prefix without host bits, such as %s", flag, value, prefix.Masked())
	}
	return prefix, nil
}

// addresses of the kube-apiserver. The first address of the services is Service "kubernetes".
func (c *Config) addresses() pki.Addresses {
	services := netip.MustParsePrefix(c.ServiceCIDR)
	return pki.Addresses{
		Advertise: c.AdvertiseAddress,
		Service:   services.Addr().Next().AsSlice(),
		Server:    fmt.Sprintf("https://%s", net.JoinHostPort(c.AdvertiseAddress.String(), fmt.Sprint(Port))),
	}
}

func (c *Config) layout() pki.Layout { return pki.Layout{DataDir: c.DataDir} }

func (c *Config) etcdDir() string { return filepath.Join(c.DataDir, "etcd") }

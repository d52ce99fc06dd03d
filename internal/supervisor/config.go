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
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// Port of the kube-apiserver.
const Port = 6443

// Config of the control plane on this machine.
type Config struct {
	// Member is set for a member of a Supervisor that may have more than one; nil for one that is always alone, which makes
	// its own secrets and has neither peers nor a management API.
	Member *member.Config
	// File is read into all the other fields; empty for none.
	File string

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

// AddFlags binds the configuration to flags: those of a control plane that is alone, or the file that describes a member.
func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&c.File, "config", "", "configuration of a member of a Supervisor, YAML or JSON; instead of all the flags below")
	flags.SortFlags = false
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

// complete is the configuration with everything that its file says, and good.
func (c *Config) complete() (Config, error) {
	if c.File == "" {
		// The files refer to each other, and their readers may run elsewhere.
		whole := *c
		if err := whole.validate(); err != nil {
			return Config{}, err
		}
		dir, err := filepath.Abs(whole.DataDir)
		whole.DataDir = dir
		return whole, err
	}
	if c.DataDir != "" || c.AdvertiseAddress != nil || c.Host != (hostdial.Files{}) || c.RegistryConfig != "" || c.Tokens != (Tokens{}) {
		return Config{}, errors.New("--config says everything: leave the other flags away")
	}
	m, err := member.Read(c.File)
	if err != nil {
		return Config{}, err
	}
	return ConfigOf(m)
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
	addresses := pki.Addresses{
		Advertise: c.AdvertiseAddress,
		Service:   services.Addr().Next().AsSlice(),
		Server:    fmt.Sprintf("https://%s", net.JoinHostPort(c.AdvertiseAddress.String(), fmt.Sprint(Port))),
	}
	if c.Member == nil {
		return addresses
	}
	addresses.Member = c.Member.Name
	if c.Member.Floating != nil {
		addresses.More = append(addresses.More, c.Member.Floating.Address.Addr().AsSlice())
	}
	for _, name := range c.Member.CertificateNames {
		if ip := net.ParseIP(name); ip != nil {
			addresses.More = append(addresses.More, ip)
		} else {
			addresses.Names = append(addresses.Names, name)
		}
	}
	return addresses
}

// bind is the address that the kube-apiserver listens on.
func (c *Config) bind() net.IP {
	if c.Member != nil && c.Member.Floating != nil {
		return net.IPv4zero // the floating address comes and goes
	}
	return c.AdvertiseAddress
}

func (c *Config) layout() pki.Layout { return pki.Layout{DataDir: c.DataDir} }

func (c *Config) etcdDir() string { return filepath.Join(c.DataDir, "etcd") }

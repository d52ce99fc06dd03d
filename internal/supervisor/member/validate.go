package member

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
)

// maxInterface is the longest name of a network interface.
const maxInterface = 15

// Validate says everything that is wrong with the configuration, by the names of its fields.
func (c *Config) Validate() error {
	return errors.Join(c.validateSelf(), c.validateMembers(), c.validateFloating(), c.validateNetworks(), c.validateNames(), c.validateSecrets())
}

func (c *Config) validateSelf() error {
	var errs []error
	if len(validation.IsDNS1123Label(c.Supervisor)) > 0 {
		errs = append(errs, fmt.Errorf("supervisor: %q is no DNS label such as domain-c1", c.Supervisor))
	}
	if !filepath.IsAbs(c.DataDir) {
		errs = append(errs, fmt.Errorf("dataDir: %q is no absolute path", c.DataDir))
	}
	if c.TimeFactor < 1 || c.TimeFactor > 10 {
		errs = append(errs, fmt.Errorf("timeFactor: %d is not between 1 and 10", c.TimeFactor))
	}
	if !slices.Contains([]InitialState{New, Existing}, c.Etcd.InitialState) {
		errs = append(errs, fmt.Errorf("etcd.initialState: %q is neither %s nor %s", c.Etcd.InitialState, New, Existing))
	}
	if c.Etcd.RestoreFrom != "" && c.Etcd.InitialState != New {
		errs = append(errs, fmt.Errorf("etcd.restoreFrom: a member that comes to others gets its data from them: remove it, or set initialState to %s", New))
	}
	if c.Dataplane != nil && !validInterface(c.Dataplane.Interface) {
		errs = append(errs, fmt.Errorf("dataplane.interface: %q is no name of an interface", c.Dataplane.Interface))
	}
	return errors.Join(errs...)
}

func (c *Config) validateMembers() error {
	var errs []error
	names, addresses := map[string]bool{}, map[netip.Addr]bool{}
	for i, m := range c.Members {
		field := fmt.Sprintf("members[%d]", i)
		if len(validation.IsDNS1123Label(m.Name)) > 0 {
			errs = append(errs, fmt.Errorf("%s.name: %q is no DNS label", field, m.Name))
		}
		if !unicast(m.Address) {
			errs = append(errs, fmt.Errorf("%s.address: %v is no IPv4 address of a machine", field, m.Address))
		}
		if names[m.Name] || addresses[m.Address] {
			errs = append(errs, fmt.Errorf("%s: name %s or address %v is another member's", field, m.Name, m.Address))
		}
		names[m.Name], addresses[m.Address] = true, true
	}
	if !names[c.Name] {
		errs = append(errs, fmt.Errorf("name: %q is none of members", c.Name))
	}
	// While a member is replaced there may be any number.
	if n := len(c.Members); c.Etcd.InitialState == New && n != 1 && n != 3 && n != 5 {
		errs = append(errs, fmt.Errorf("members: a Supervisor begins with 1, 3 or 5 members, not %d: of an even number no more may fail than of one less", n))
	}
	return errors.Join(errs...)
}

func (c *Config) validateFloating() error {
	if c.Floating == nil {
		return nil
	}
	var errs []error
	address := c.Floating.Address
	if !address.IsValid() || !unicast(address.Addr()) {
		errs = append(errs, fmt.Errorf("floating.address: %v is no IPv4 address of a machine with a prefix length, such as 10.77.0.2/24", address))
	}
	if slices.ContainsFunc(c.Members, func(m Member) bool { return m.Address == address.Addr() }) {
		errs = append(errs, fmt.Errorf("floating.address: %v is the address of a member, it would not move", address.Addr()))
	}
	if !validInterface(c.Floating.Interface) {
		errs = append(errs, fmt.Errorf("floating.interface: %q is no name of an interface", c.Floating.Interface))
	}
	return errors.Join(errs...)
}

func (c *Config) validateNetworks() error {
	var errs []error
	for field, prefix := range map[string]netip.Prefix{"serviceCIDR": c.ServiceCIDR, "podCIDR": c.PodCIDR} {
		if !prefix.IsValid() || !prefix.Addr().Is4() || prefix != prefix.Masked() {
			errs = append(errs, fmt.Errorf("%s: %v is no IPv4 prefix without host bits", field, prefix))
		}
	}
	if c.PodCIDR.IsValid() && c.PodCIDR.Bits() > 24 {
		errs = append(errs, fmt.Errorf("podCIDR: %v has no room for one /24", c.PodCIDR))
	}
	if c.PodCIDR.IsValid() && c.ServiceCIDR.IsValid() && c.PodCIDR.Overlaps(c.ServiceCIDR) {
		errs = append(errs, fmt.Errorf("podCIDR: %v overlaps serviceCIDR %v", c.PodCIDR, c.ServiceCIDR))
	}
	return errors.Join(errs...)
}

func (c *Config) validateNames() error {
	var errs []error
	for i, name := range c.CertificateNames {
		_, err := netip.ParseAddr(name)
		if err != nil && len(validation.IsDNS1123Subdomain(name)) > 0 && len(validation.IsWildcardDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("certificateNames[%d]: %q is neither a DNS name nor an address", i, name))
		}
	}
	for registry := range c.Registries {
		if host, _, err := net.SplitHostPort(registry); err != nil || host == "" || filepath.Base(registry) != registry {
			errs = append(errs, fmt.Errorf("registries: %q is no host:port", registry))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateSecrets() error {
	var errs []error
	if _, err := tls.X509KeyPair([]byte(c.HostClient.Certificate), []byte(c.HostClient.Key)); err != nil {
		errs = append(errs, fmt.Errorf("hostClient: %w", err))
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(c.HostClient.CA)) {
		errs = append(errs, errors.New("hostClient.ca: holds no certificate"))
	}
	if t := c.Tokens; t != nil {
		if issuer, err := url.Parse(t.Issuer); err != nil || issuer.Scheme != "https" || issuer.Host == "" {
			errs = append(errs, fmt.Errorf("tokens.issuer: %q is no https URL such as https://10.77.0.9/openidconnect", t.Issuer))
		}
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CA)) {
			errs = append(errs, errors.New("tokens.ca: holds no certificate"))
		}
	}
	if c.PKI == nil {
		return errors.Join(append(errs, errors.New("pki is missing: it is what the members share"))...)
	}
	if err := c.PKI.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("pki: %w", err))
	}
	return errors.Join(errs...)
}

func unicast(address netip.Addr) bool {
	return address.Is4() && !address.IsUnspecified() && !address.IsMulticast() && !address.IsLoopback()
}

func validInterface(name string) bool {
	return name != "" && len(name) <= maxInterface && filepath.Base(name) == name && name != "." && name != ".."
}

package image

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"pacific/internal/registryconfig"
)

// policy says which addresses a fetcher may be connected to. A fetcher reads what strangers wrote, and the host that
// connects it stands inside the administrator's network, so:
//
//   - the registry that the pod names, its mirrors and configured endpoints may be anywhere but on the host itself or a
//     link: private addresses are where registries are. Loopback is for registries that the administrator has configured.
//   - any other host may be a token server or a blob store that a public registry sends its clients to, which cannot be
//     known beforehand: port 443 at a public address, and nothing else.
//   - link-local addresses, where clouds serve credentials to whoever asks, are for nobody.
//
// Names are judged by the addresses that they resolve to, at the moment of the connection.
type policy struct {
	named    []string // host:port
	loopback bool
}

func policyOf(registry string, c registryconfig.Config) policy {
	port := "443"
	if c.PlainHTTP {
		port = "80"
	}
	p := policy{named: []string{withPort(registry, port)}, loopback: c.Configured}
	for _, mirror := range c.Mirrors {
		port := "443"
		if strings.HasPrefix(mirror, "http://") {
			port = "80"
		}
		p.named = append(p.named, withPort(registryconfig.Host(mirror), port))
	}
	for _, endpoint := range c.Endpoints {
		p.named = append(p.named, withPort(endpoint, "443"))
	}
	return p
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// allow judges one resolved address of the address that the fetcher asked for.
func (p policy) allow(asked string, resolved netip.AddrPort) error {
	ip := resolved.Addr().Unmap()
	named := slices.Contains(p.named, asked)
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), metadata.Contains(ip):
		return fmt.Errorf("%s has address %s; the image service connects to no link-local, multicast or metadata address", asked, ip)
	case ip.IsLoopback() && !(named && p.loopback):
		return fmt.Errorf("%s is this host itself; a registry here needs a directory in the registry configuration", asked)
	case named:
		return nil
	case ip.IsPrivate(), shared.Contains(ip):
		return fmt.Errorf("%s has private address %s and is not the registry; list it under endpoints in the registry's hosts.json to allow it", asked, ip)
	case resolved.Port() != 443:
		return fmt.Errorf("%s is not the registry, and other hosts are allowed on port 443 only; list it under endpoints in the registry's hosts.json to allow it", asked)
	}
	return nil
}

var (
	// metadata is the IPv6 address of a cloud's metadata service, a unique local one.
	metadata = netip.MustParsePrefix("fd00:ec2::254/128")
	// shared is the address space of carrier-grade NAT, RFC 6598.
	shared = netip.MustParsePrefix("100.64.0.0/10")
)

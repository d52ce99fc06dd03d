package credentials

import (
	"net"
	"net/netip"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
)

// leavesOf are the certificates of an instance that the hosts' authority signs. Hosts get theirs from center.
func leavesOf(in instance.Instance) []pki.Leaf {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	return []pki.Leaf{
		client(l.HostdAdmin(), "admin"),
		client(l.HostdMetrics(), "metrics-reader"),
		server(l.RegistryServing(), "registry", l.Gateway()),
	}
}

func client(files layout.Pair, commonName string, organizations ...string) pki.Leaf {
	return pki.Leaf{CertFile: files.Cert, KeyFile: files.Key, CommonName: commonName, Organizations: organizations, Client: true}
}

func server(files layout.Pair, name string, address netip.Addr) pki.Leaf {
	return pki.Leaf{CertFile: files.Cert, KeyFile: files.Key, CommonName: name, DNSNames: []string{name}, IPs: []net.IP{address.AsSlice()}, Server: true}
}

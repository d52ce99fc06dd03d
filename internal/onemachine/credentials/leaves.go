package credentials

import (
	"net"
	"net/netip"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
)

// leaves are the certificates of an instance, by the authority that signs them. Hosts get theirs from center.
type leaves struct {
	host       []pki.Leaf
	supervisor []pki.Leaf
}

func leavesOf(in instance.Instance) leaves {
	l := layout.Layout{ID: in.ID, Home: in.Home}
	certs := leaves{
		host: []pki.Leaf{
			client(l.HostdAdmin(), "admin"),
			client(l.HostdImages(), "image-controller"),
			client(l.HostdMetrics(), "metrics-reader"),
		},
		supervisor: []pki.Leaf{
			client(l.Admin(), "kubernetes-admin", "pacific:admins"),
			client(l.DataplaneClient(layout.Supervisor), "pacific:dataplane:"+layout.Supervisor, "pacific:dataplanes"),
			server(l.RegistryServing(), "registry", l.Gateway()),
		},
	}
	return certs
}

func client(files layout.Pair, commonName string, organizations ...string) pki.Leaf {
	return pki.Leaf{CertFile: files.Cert, KeyFile: files.Key, CommonName: commonName, Organizations: organizations, Client: true}
}

func server(files layout.Pair, name string, address netip.Addr) pki.Leaf {
	return pki.Leaf{CertFile: files.Cert, KeyFile: files.Key, CommonName: name, DNSNames: []string{dnsName(name)}, IPs: []net.IP{address.AsSlice()}, Server: true}
}

// dnsName drops the prefix of a node's identity, system:node:.
func dnsName(commonName string) string {
	for i := len(commonName) - 1; i >= 0; i-- {
		if commonName[i] == ':' {
			return commonName[i+1:]
		}
	}
	return commonName
}

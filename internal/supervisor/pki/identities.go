package pki

import (
	"net"
	"slices"

	"pacific/internal/pki"
)

// Names by which the kube-apiserver is known.
var apiServerNames = []string{
	"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
}

// controlPlaneNames are those of what listens beside the kube-apiserver. The first is the Service of the metrics server.
var controlPlaneNames = []string{
	"metrics-server.kube-system.svc", "metrics-server.kube-system.svc.cluster.local", "localhost",
}

// Addresses are what the certificates and kubeconfigs depend on.
type Addresses struct {
	// Advertise is where the kube-apiserver is reached; Service is the ClusterIP of Service "kubernetes".
	Advertise, Service net.IP
	// Server is the URL of the kube-apiserver, as this member's components reach it: their own.
	Server string
	// More are addresses and names by which the kube-apiserver is reached besides, such as the floating address.
	More  []net.IP
	Names []string
	// Member is the name of the member; empty for one that is alone, and has no peers and no management API.
	Member string
}

// identity is a leaf certificate and the name of the authority that signs it.
type identity struct {
	name, authority string
	leaf            pki.Leaf
	kubeconfig      bool
}

// identities lists every certificate of the Supervisor.
func (l Layout) identities(a Addresses) []identity {
	ids := []identity{
		{name: APIServer, authority: CA, leaf: pki.Leaf{
			CommonName: "kube-apiserver",
			DNSNames:   slices.Concat(apiServerNames, a.Names),
			IPs:        slices.Concat([]net.IP{a.Advertise, net.IPv4(127, 0, 0, 1), a.Service}, a.More),
			Server:     true,
		}},
		{name: ControlPlane, authority: CA, leaf: pki.Leaf{
			CommonName: "pacific-control-plane",
			DNSNames:   controlPlaneNames,
			IPs:        []net.IP{a.Advertise, net.IPv4(127, 0, 0, 1)},
			Server:     true,
		}},
		{name: FrontProxyClient, authority: FrontProxyCA, leaf: client("front-proxy-client")},
		{name: KubeletClient, authority: CA, leaf: client("kube-apiserver-kubelet-client")},
		user(Supervisor, "pacific:supervisor", "system:masters"),
		user(Admin, "kubernetes-admin", "pacific:admins"),
		user(Scheduler, "system:kube-scheduler"),
		user(ControllerManager, "system:kube-controller-manager"),
		user(ImageController, "pacific:image-controller"),
		user(NCPController, "pacific:ncp-controller"),
		user(NodeRole, "pacific:node-role-controller"),
		user(MetricsServer, "pacific:metrics-server"),
	}
	if a.Member != "" {
		ids = append(ids, memberIdentities(a)...)
	}
	for i := range ids {
		ids[i].leaf.CertFile, ids[i].leaf.KeyFile = l.Cert(ids[i].name), l.Key(ids[i].name)
	}
	return ids
}

// memberIdentities are what a member has besides, because there are others.
func memberIdentities(a Addresses) []identity {
	ips := []net.IP{a.Advertise}
	return []identity{
		// One common name for all members: etcd lets no other peer in, such as a client of the management API.
		{name: EtcdPeer, authority: MemberCA, leaf: pki.Leaf{CommonName: EtcdPeerName, IPs: ips, Server: true, Client: true}},
		{name: Member, authority: MemberCA, leaf: pki.Leaf{CommonName: "member:" + a.Member, IPs: ips, Server: true}},
		user(Floating, "pacific:floating-address"),
		user(Dataplane, "pacific:dataplane:"+a.Member, "pacific:dataplanes"),
	}
}

// EtcdPeerName is the common name of etcd's members towards each other.
const EtcdPeerName = "etcd-peer"

// user is an identity that speaks to the kube-apiserver by a kubeconfig.
func user(name, commonName string, groups ...string) identity {
	return identity{name: name, authority: CA, leaf: client(commonName, groups...), kubeconfig: true}
}

func client(commonName string, organizations ...string) pki.Leaf {
	return pki.Leaf{CommonName: commonName, Organizations: organizations, Client: true}
}

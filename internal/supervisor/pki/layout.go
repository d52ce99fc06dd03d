// Package pki holds the identities of the Supervisor's components: which certificates there are, who signs them, where
// they lie, and how they stay valid.
package pki

import "path/filepath"

// Names of the authorities, and of the certificates that are used by name.
const (
	CA           = "ca"
	FrontProxyCA = "front-proxy-ca"
	MemberCA     = "member-ca"

	APIServer        = "apiserver"
	KubeletClient    = "apiserver-kubelet-client"
	FrontProxyClient = "front-proxy-client"
	// ControlPlane is the serving certificate of what listens beside the kube-apiserver: metrics server, scheduler and
	// controller manager.
	ControlPlane = "control-plane"

	// EtcdPeer is a member of etcd towards the others, both as server and as client. Member is the serving certificate of
	// the management API. A member that is alone has neither.
	EtcdPeer = "etcd-peer"
	Member   = "member"

	// Supervisor is the identity that makes the bootstrap objects, among them the administrator's own binding. It is in
	// system:masters, so it works before any RBAC object exists, and it never leaves the data directory.
	Supervisor        = "supervisor"
	Admin             = "admin"
	Scheduler         = "scheduler"
	ControllerManager = "controller-manager"
	ImageController   = "image-controller"
	NCPController     = "ncp-controller"
	NodeRole          = "node-role-controller"
	MetricsServer     = "metrics-server"
	Floating          = "floating-address"
	// Dataplane is that of this member, one of the group of all dataplanes.
	Dataplane = "dataplane"
)

// commonNames of the authorities.
var commonNames = map[string]string{CA: "pacific-supervisor", FrontProxyCA: "pacific-front-proxy", MemberCA: "pacific-members"}

// Layout is where the Supervisor keeps its files, all of mode 0600. The names in pki/ are those of kubeadm.
type Layout struct{ DataDir string }

// Cert is the certificate file of an authority or identity.
func (l Layout) Cert(name string) string { return filepath.Join(l.DataDir, "pki", name+".crt") }

// Key is the private key file of an authority or identity.
func (l Layout) Key(name string) string { return filepath.Join(l.DataDir, "pki", name+".key") }

// ServiceAccountKey signs service account tokens.
func (l Layout) ServiceAccountKey() string { return l.Key("sa") }

// Encryption is the kube-apiserver's encryption configuration, with the key.
func (l Layout) Encryption() string { return filepath.Join(l.DataDir, "encryption.yaml") }

// Kubeconfig is the kubeconfig of an identity; it refers to the certificate files, which its user reads again when they
// are renewed.
func (l Layout) Kubeconfig(name string) string {
	return filepath.Join(l.DataDir, name+".kubeconfig")
}

package apiserver

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"pacific/internal/supervisor/pki"
)

// Config is what the kube-apiserver is told.
type Config struct {
	Layout pki.Layout
	// Advertise is the address to give to pods; Port is the port.
	Advertise net.IP
	Port      int
	// Bind is the address to listen on: Advertise, or all where another address comes and goes.
	Bind net.IP
	// ServiceCIDR is where ClusterIPs come from.
	ServiceCIDR string
	// Etcd is the URL of etcd.
	Etcd string
	// Tokens are those of people; without an issuer there are none.
	Tokens Tokens
}

// issuer of service account tokens, by which pods reach the kube-apiserver.
const issuer = "https://kubernetes.default.svc.cluster.local"

func (c Config) authenticationFile() string {
	return filepath.Join(c.Layout.DataDir, "authentication.yaml")
}

// identity of this kube-apiserver among those of the Supervisor; its form is upstream's.
func (c Config) identity() string {
	sum := sha256.Sum256([]byte(c.Advertise.String()))
	return "apiserver-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// Args are the arguments of the kube-apiserver.
func Args(c Config) []string {
	files := c.Layout
	return []string{
		// Where it is.
		"--bind-address=" + c.Bind.String(),
		"--advertise-address=" + c.Advertise.String(),
		fmt.Sprintf("--secure-port=%d", c.Port),
		"--etcd-servers=" + c.Etcd,
		"--service-cluster-ip-range=" + c.ServiceCIDR,

		// Who may do what.
		"--authentication-config=" + c.authenticationFile(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--encryption-provider-config=" + files.Encryption(),
		"--profiling=false",
		// Privileged containers have a machine of their own.
		"--allow-privileged=true",

		// Who it is, and whom it trusts.
		"--tls-cert-file=" + files.Cert(pki.APIServer),
		"--tls-private-key-file=" + files.Key(pki.APIServer),
		"--client-ca-file=" + files.Cert(pki.CA),
		"--kubelet-certificate-authority=" + files.Cert(pki.CA),
		"--kubelet-client-certificate=" + files.Cert(pki.KubeletClient),
		"--kubelet-client-key=" + files.Key(pki.KubeletClient),
		"--kubelet-preferred-address-types=InternalIP",
		"--proxy-client-cert-file=" + files.Cert(pki.FrontProxyClient),
		"--proxy-client-key-file=" + files.Key(pki.FrontProxyClient),
		"--requestheader-client-ca-file=" + files.Cert(pki.FrontProxyCA),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--service-account-issuer=" + issuer,
		"--service-account-key-file=" + files.ServiceAccountKey(),
		"--service-account-signing-key-file=" + files.ServiceAccountKey(),

		// Aggregated APIs and webhooks are called at their pods: the control plane has routes to them, and needs no
		// Service proxy of its own then.
		"--enable-aggregator-routing=true",
		// Watches are told to end, or a stop would wait for them.
		"--shutdown-watch-termination-grace-period=2s",
	}
}

package controllermanager

import (
	"fmt"
	"net"

	"pacific/internal/supervisor/pki"
)

// Port of health and metrics, upstream's.
const Port = 10257

// Config is what the kube-controller-manager is told.
type Config struct {
	Layout pki.Layout
	// Address to serve health and metrics on.
	Address net.IP
	// PodCIDR is cut into one /24 for each node; ServiceCIDR is where ClusterIPs come from.
	PodCIDR, ServiceCIDR string
}

// Args are the arguments of the kube-controller-manager.
func Args(c Config) []string {
	return []string{
		"--kubeconfig=" + c.Layout.Kubeconfig(pki.ControllerManager),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.Layout.ServiceAccountKey(),
		"--root-ca-file=" + c.Layout.Cert(pki.CA),
		"--cluster-signing-cert-file=" + c.Layout.Cert(pki.CA),
		"--cluster-signing-key-file=" + c.Layout.Key(pki.CA),

		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + c.PodCIDR,
		"--node-cidr-mask-size=24",
		"--service-cluster-ip-range=" + c.ServiceCIDR,

		// It speaks to a kube-apiserver in the same process, and makes a service account for each of its controllers at
		// the first start.
		"--kube-api-qps=100",
		"--kube-api-burst=200",

		// The lock on etcd's directory lets only one Supervisor run, so there is nobody to elect among.
		"--leader-elect=false",
		// Health, and metrics for those whom the kube-apiserver lets read them.
		"--bind-address=" + c.Address.String(),
		fmt.Sprintf("--secure-port=%d", Port),
		"--tls-cert-file=" + c.Layout.Cert(pki.ControlPlane),
		"--tls-private-key-file=" + c.Layout.Key(pki.ControlPlane),
		"--authentication-kubeconfig=" + c.Layout.Kubeconfig(pki.ControllerManager),
		"--authorization-kubeconfig=" + c.Layout.Kubeconfig(pki.ControllerManager),
		"--authentication-skip-lookup=true",
		"--client-ca-file=" + c.Layout.Cert(pki.CA),
		"--profiling=false",
		"--controller-shutdown-timeout=3s",
	}
}

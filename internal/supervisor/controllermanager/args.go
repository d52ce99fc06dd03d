package controllermanager

import "pacific/internal/supervisor/pki"

// Config is what the kube-controller-manager is told.
type Config struct {
	Layout pki.Layout
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
		// Its metrics are in the kube-apiserver's, which is in the same process.
		"--secure-port=0",
		"--profiling=false",
		"--controller-shutdown-timeout=3s",
	}
}

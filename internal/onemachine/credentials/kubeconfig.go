package credentials

import (
	"fmt"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
)

// Admin is what center gives the administrator of a Supervisor, PEM.
type Admin struct {
	CA          string `json:"certificate_authority"`
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// AdminDue tells whether the administrator has no certificate, or one that runs out.
func AdminDue(l layout.Layout, now time.Time) bool {
	cert, err := pki.Pair(l.Admin().Cert, l.Admin().Key)
	return err != nil || pki.Due(cert, now)
}

// SaveAdmin writes the administrator's certificate and kubeconfig. The certificate is last: with it all is there.
func SaveAdmin(l layout.Layout, admin Admin) error {
	config, err := clientcmd.Write(*kubeconfig(l, admin))
	if err != nil {
		return fmt.Errorf("encode kubeconfig: %w", err)
	}
	for _, file := range []struct{ path, content string }{
		{l.Kubeconfig(), string(config)},
		{l.SupervisorCA(), admin.CA},
		{l.Admin().Key, admin.Key},
		{l.Admin().Cert, admin.Certificate},
	} {
		if err := writeIfChanged(file.path, []byte(file.content), 0o600); err != nil {
			return fmt.Errorf("administrator's certificate: %w", err)
		}
	}
	return nil
}

const contextName = "pacific"

// kubeconfig is one file that can be carried elsewhere.
func kubeconfig(l layout.Layout, admin Admin) *api.Config {
	config := api.NewConfig()
	config.Clusters[contextName] = &api.Cluster{Server: l.Server(), CertificateAuthorityData: []byte(admin.CA)}
	config.AuthInfos[contextName] = &api.AuthInfo{ClientCertificateData: []byte(admin.Certificate), ClientKeyData: []byte(admin.Key)}
	config.Contexts[contextName] = &api.Context{Cluster: contextName, AuthInfo: contextName}
	config.CurrentContext = contextName
	return config
}

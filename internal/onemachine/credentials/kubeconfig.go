package credentials

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"pacific/internal/onemachine/layout"
)

func ensureKubeconfigs(l layout.Layout) error {
	admin, err := embedded(l)
	if err != nil {
		return err
	}
	if err := writeKubeconfig(l.Kubeconfig(), admin); err != nil {
		return err
	}
	return writeKubeconfig(l.DataplaneKubeconfig(layout.Supervisor), referring(l, l.DataplaneClient(layout.Supervisor)))
}

// embedded is the administrator's: one file that can be carried elsewhere. It is written anew when the certificate is.
func embedded(l layout.Layout) (*api.Config, error) {
	config := referring(l, l.Admin())
	for _, part := range []struct {
		file *string
		data *[]byte
	}{
		{&cluster(config).CertificateAuthority, &cluster(config).CertificateAuthorityData},
		{&user(config).ClientCertificate, &user(config).ClientCertificateData},
		{&user(config).ClientKey, &user(config).ClientKeyData},
	} {
		data, err := os.ReadFile(*part.file)
		if err != nil {
			return nil, fmt.Errorf("administrator's kubeconfig: %w", err)
		}
		*part.data, *part.file = data, ""
	}
	return config, nil
}

const contextName = "pacific"

// referring names the certificate files, which client-go reads again when they are renewed.
func referring(l layout.Layout, client layout.Pair) *api.Config {
	config := api.NewConfig()
	config.Clusters[contextName] = &api.Cluster{Server: l.Server(), CertificateAuthority: l.SupervisorCA().Cert}
	config.AuthInfos[contextName] = &api.AuthInfo{ClientCertificate: client.Cert, ClientKey: client.Key}
	config.Contexts[contextName] = &api.Context{Cluster: contextName, AuthInfo: contextName}
	config.CurrentContext = contextName
	return config
}

func cluster(config *api.Config) *api.Cluster { return config.Clusters[contextName] }
func user(config *api.Config) *api.AuthInfo   { return config.AuthInfos[contextName] }

func writeKubeconfig(file string, config *api.Config) error {
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode kubeconfig %s: %w", file, err)
	}
	if err := writeIfChanged(file, data, 0o600); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", file, err)
	}
	return nil
}

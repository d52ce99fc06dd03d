package hostagent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	centerv1 "pacific/api/center/v1"
)

// writeNode writes what spherelet and dataplane read: the Supervisor's authority, kubeconfigs, and registries' authorities.
func writeNode(dir Dir, c Config, node *centerv1.Node) error {
	if node == nil {
		return nil
	}
	errs := []error{
		writeIfChanged(dir.supervisorCA(), node.GetCa()),
		writeKubeconfig(dir, dir.SphereletKubeconfig(), node.GetServer(), centerv1.Purpose_NODE),
		writeKubeconfig(dir, dir.DataplaneKubeconfig(), node.GetServer(), centerv1.Purpose_DATAPLANE),
	}
	for registry, ca := range node.GetRegistries() {
		if filepath.Base(registry) != registry || registry == ".." || registry == "." {
			errs = append(errs, fmt.Errorf("registry %q is no host:port", registry))
			continue
		}
		file := filepath.Join(planner{dir, c}.registryConfig(), registry, "ca.crt")
		errs = append(errs, os.MkdirAll(filepath.Dir(file), 0o755), writeIfChanged(file, ca))
	}
	return errors.Join(errs...)
}

// writeKubeconfig names the certificate files, which client-go reads again when they are renewed.
func writeKubeconfig(dir Dir, file, server string, purpose centerv1.Purpose) error {
	const name = "pacific"
	config := api.NewConfig()
	config.Clusters[name] = &api.Cluster{Server: server, CertificateAuthority: dir.supervisorCA()}
	config.AuthInfos[name] = &api.AuthInfo{ClientCertificate: dir.cert(purpose), ClientKey: dir.key(purpose)}
	config.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode %s: %w", file, err)
	}
	return writeIfChanged(file, data)
}

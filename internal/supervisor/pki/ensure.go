package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"

	"pacific/internal/pki"
)

// Ensure makes what is missing and renews what runs out: authorities, certificates, the service account key and the
// kubeconfigs. It may run at any time, also while the components use the files.
func (l Layout) Ensure(a Addresses) error {
	if err := l.ensureShared(); err != nil {
		return err
	}
	authorities := map[string]*pki.CA{}
	for name := range commonNames {
		ca, err := pki.LoadCA(l.Cert(name), l.Key(name))
		if err != nil {
			return err
		}
		authorities[name] = ca
	}
	for _, id := range l.identities(a) {
		renewed, err := authorities[id.authority].Ensure(id.leaf)
		if err != nil {
			return err
		}
		if renewed {
			klog.InfoS("Issued certificate", "commonName", id.leaf.CommonName, "file", id.leaf.CertFile)
		}
		if id.kubeconfig {
			if err := l.ensureKubeconfig(id, a.Server); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l Layout) ensureKubeconfig(id identity, server string) error {
	file := l.Kubeconfig(id.name)
	want, err := clientcmd.Write(l.kubeconfig(id.leaf, server))
	if err != nil {
		return fmt.Errorf("encode kubeconfig %s: %w", file, err)
	}
	if have, err := os.ReadFile(file); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := renameio.WriteFile(file, want, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}

func (l Layout) kubeconfig(leaf pki.Leaf, server string) clientcmdapi.Config {
	const name = "supervisor"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: l.Cert(CA)}
	config.AuthInfos[leaf.CommonName] = &clientcmdapi.AuthInfo{ClientCertificate: leaf.CertFile, ClientKey: leaf.KeyFile}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: leaf.CommonName}
	config.CurrentContext = name
	return *config
}

// ensureServiceAccountKey makes the key once. It is RSA, since every OpenID Connect client must know RS256.
func ensureServiceAccountKey(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := renameio.WriteFile(file, data, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write service account key: %w", err)
	}
	return nil
}

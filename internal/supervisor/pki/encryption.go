package pki

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiserverv1 "k8s.io/apiserver/pkg/apis/apiserver/v1"
	"sigs.k8s.io/yaml"
)

// EnsureEncryption makes the key by which Secrets are encrypted in etcd. It is made once: without it they are lost.
func (l Layout) EnsureEncryption() error {
	if _, err := os.Stat(l.Encryption()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := newEncryptionKey()
	if err != nil {
		return err
	}
	return l.writeEncryption(key)
}

func newEncryptionKey() (string, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

func (l Layout) writeEncryption(key string) error {
	data, err := yaml.Marshal(encryption(key))
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(l.Encryption(), data, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write encryption key: %w", err)
	}
	return nil
}

// readEncryption is the key in use; empty where there is none.
func (l Layout) readEncryption() (string, error) {
	data, err := os.ReadFile(l.Encryption())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var config apiserverv1.EncryptionConfiguration
	if err := yaml.UnmarshalStrict(data, &config); err != nil {
		return "", fmt.Errorf("%s: %w", l.Encryption(), err)
	}
	for _, resource := range config.Resources {
		for _, provider := range resource.Providers {
			if provider.Secretbox != nil && len(provider.Secretbox.Keys) > 0 {
				return provider.Secretbox.Keys[0].Secret, nil
			}
		}
	}
	return "", fmt.Errorf("%s holds no key", l.Encryption())
}

func encryption(key string) apiserverv1.EncryptionConfiguration {
	secretbox := &apiserverv1.SecretboxConfiguration{Keys: []apiserverv1.Key{{Name: "key-1", Secret: key}}}
	return apiserverv1.EncryptionConfiguration{
		TypeMeta: metav1.TypeMeta{APIVersion: "apiserver.config.k8s.io/v1", Kind: "EncryptionConfiguration"},
		Resources: []apiserverv1.ResourceConfiguration{{
			Resources: []string{"secrets"},
			Providers: []apiserverv1.ProviderConfiguration{{Secretbox: secretbox}},
		}},
	}
}

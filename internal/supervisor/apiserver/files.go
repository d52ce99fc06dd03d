package apiserver

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

// writeFiles writes the configuration files that the arguments name.
func (c Config) writeFiles() error {
	if err := os.MkdirAll(c.Layout.DataDir, 0o700); err != nil {
		return err
	}
	return ensureEncryption(c.encryptionFile())
}

// ensureEncryption makes the key by which Secrets are encrypted in etcd. It is made once: without it they are lost.
func ensureEncryption(file string) error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	data, err := yaml.Marshal(encryption(base64.StdEncoding.EncodeToString(key)))
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(file, data, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write encryption key: %w", err)
	}
	return nil
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

package pki

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"pacific/internal/pki"
)

// Bundle is what all members of a Supervisor share, all of it secret. Whoever makes the members makes it once and gives it
// to each; a member without one makes its own, and stays alone.
type Bundle struct {
	// CA signs everything of Kubernetes.
	CA Pair `json:"ca"`
	// FrontProxyCA signs the kube-apiserver towards aggregated APIs.
	FrontProxyCA Pair `json:"frontProxyCA"`
	// MemberCA signs etcd's members towards each other, and who may call the members' management API.
	MemberCA Pair `json:"memberCA"`
	// ServiceAccountKey signs service account tokens; PEM.
	ServiceAccountKey string `json:"serviceAccountKey"`
	// EncryptionKey is the key of the Secrets in etcd: 32 bytes in base64.
	EncryptionKey string `json:"encryptionKey"`
}

// Pair is a certificate and its key, PEM.
type Pair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// authorities by the names of their files.
func (b *Bundle) authorities() map[string]*Pair {
	return map[string]*Pair{CA: &b.CA, FrontProxyCA: &b.FrontProxyCA, MemberCA: &b.MemberCA}
}

// NewBundle makes the secrets of a new Supervisor.
func NewBundle() (Bundle, error) {
	dir, err := os.MkdirTemp("", "pacific-bundle-")
	if err != nil {
		return Bundle{}, err
	}
	defer os.RemoveAll(dir)
	return ReadBundle(dir)
}

// ReadBundle reads the secrets of the member that keeps its files in dataDir, and makes those that it has not yet: so a
// Supervisor that began with a member alone can get more.
func ReadBundle(dataDir string) (Bundle, error) {
	l := Layout{DataDir: dataDir}
	if err := l.ensureShared(); err != nil {
		return Bundle{}, err
	}
	var bundle Bundle
	for name, pair := range bundle.authorities() {
		certificate, err := os.ReadFile(l.Cert(name))
		if err != nil {
			return Bundle{}, err
		}
		key, err := os.ReadFile(l.Key(name))
		if err != nil {
			return Bundle{}, err
		}
		*pair = Pair{Certificate: string(certificate), Key: string(key)}
	}
	account, err := os.ReadFile(l.ServiceAccountKey())
	if err != nil {
		return Bundle{}, err
	}
	bundle.ServiceAccountKey = string(account)
	bundle.EncryptionKey, err = l.readEncryption()
	return bundle, err
}

// ensureShared makes what is missing of that which all members share.
func (l Layout) ensureShared() error {
	if err := os.MkdirAll(filepath.Dir(l.ServiceAccountKey()), 0o700); err != nil {
		return err
	}
	for name, commonName := range commonNames {
		if _, err := pki.LoadOrCreateCA(l.Cert(name), l.Key(name), commonName); err != nil {
			return err
		}
	}
	if err := ensureServiceAccountKey(l.ServiceAccountKey()); err != nil {
		return err
	}
	return l.EnsureEncryption()
}

// Validate says everything that is wrong with the bundle. No error quotes a secret.
func (b *Bundle) Validate() error {
	var errs []error
	for name, pair := range b.authorities() {
		parsed, err := tls.X509KeyPair([]byte(pair.Certificate), []byte(pair.Key))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if certificate, err := x509.ParseCertificate(parsed.Certificate[0]); err != nil || !certificate.IsCA {
			errs = append(errs, fmt.Errorf("%s: the certificate is not an authority's", name))
		}
	}
	if b.ServiceAccountKey == "" {
		errs = append(errs, errors.New("serviceAccountKey is missing"))
	}
	if b.EncryptionKey == "" {
		errs = append(errs, errors.New("encryptionKey is missing"))
	}
	return errors.Join(errs...)
}

// Install writes the bundle into a member's directory, each file of mode 0600. What is there already must be the same:
// another authority would make every certificate void, and another encryption key the Secrets in etcd unreadable.
func (b *Bundle) Install(dataDir string) error {
	l := Layout{DataDir: dataDir}
	if err := os.MkdirAll(filepath.Dir(l.ServiceAccountKey()), 0o700); err != nil {
		return err
	}
	have, err := l.readEncryption()
	if err != nil {
		return err
	}
	if have != "" && have != b.EncryptionKey {
		return fmt.Errorf("%s holds another key than the bundle: without it the Secrets in etcd are lost; "+
			"give the member the bundle of its Supervisor, or another directory", l.Encryption())
	}
	if have == "" {
		if err := l.writeEncryption(b.EncryptionKey); err != nil {
			return err
		}
	}
	if err := install(l.ServiceAccountKey(), b.ServiceAccountKey); err != nil {
		return err
	}
	for name, pair := range b.authorities() {
		// The key first: a certificate on disk always has its key.
		if err := install(l.Key(name), pair.Key); err != nil {
			return err
		}
		if err := install(l.Cert(name), pair.Certificate); err != nil {
			return err
		}
	}
	return nil
}

func install(file, content string) error {
	have, err := os.ReadFile(file)
	if err == nil {
		if !bytes.Equal(have, []byte(content)) {
			return fmt.Errorf("%s is another than the bundle's: give the member the bundle of its Supervisor, or another directory", file)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return renameio.WriteFile(file, []byte(content), 0o600, renameio.IgnoreUmask())
}

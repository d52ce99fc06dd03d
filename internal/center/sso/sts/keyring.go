package sts

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
)

// A signing certificate is replaced when two thirds of its life are over. It stays trusted until the last assertion that it
// may have signed has ended.
const (
	signingLife       = 2 * 365 * 24 * time.Hour
	productionKeyBits = 3072
)

var keyBits = productionKeyBits // tests make smaller ones

// Authority signs the certificate of a signing key: DER.
type Authority func(public crypto.PublicKey, life time.Duration) ([]byte, error)

// Keyring is the signing keys, each with its certificate in one file of a directory, so that none is without the other. The
// newest signs.
type Keyring struct {
	dir       string
	authority Authority

	mu   sync.Mutex
	keys []signingKey // the newest last
}

type signingKey struct {
	file string
	key  crypto.Signer // nil once another signs
	cert *x509.Certificate
}

// OpenKeyring reads the keys, and makes one if there is none or if the newest is due.
func OpenKeyring(dir string, authority Authority, now time.Time) (*Keyring, error) {
	k := &Keyring{dir: dir, authority: authority}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		key, err := readSigningKey(file)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w; restore it from a backup, or move it away: assertions signed by it become void", file, err)
		}
		k.keys = append(k.keys, key)
	}
	slices.SortFunc(k.keys, func(a, b signingKey) int { return cmp.Compare(a.file, b.file) })
	return k, k.Keep(now)
}

// Keep replaces the signing key when it is due and forgets those that nothing valid is signed by any more.
func (k *Keyring) Keep(now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.keys); n == 0 || k.keys[n-1].key == nil || due(k.keys[n-1].cert, now) {
		if err := k.add(now); err != nil {
			return fmt.Errorf("make a signing key: %w", err)
		}
	}
	return k.retire(now)
}

// Rotate makes a new signing key now.
func (k *Keyring) Rotate(now time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.add(now); err != nil {
		return fmt.Errorf("make a signing key: %w", err)
	}
	return k.retire(now)
}

func due(cert *x509.Certificate, now time.Time) bool {
	life := cert.NotAfter.Sub(cert.NotBefore)
	return now.After(cert.NotBefore.Add(life * 2 / 3))
}

func (k *Keyring) add(now time.Time) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	der, err := k.authority(key.Public(), signingLife)
	if err != nil {
		return err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	made := signingKey{file: filepath.Join(k.dir, fmt.Sprintf("%020d.pem", now.UnixNano())), key: key, cert: cert}
	if err := made.write(); err != nil {
		return err
	}
	k.keys = append(k.keys, made)
	return nil
}

// retire the keys that do not sign any more: first only their certificates stay, in the end nothing.
func (k *Keyring) retire(now time.Time) error {
	last := len(k.keys) - 1
	var kept []signingKey
	for i, key := range k.keys {
		if i == last {
			kept = append(kept, key)
			continue
		}
		replaced := k.keys[i+1].cert.NotBefore
		if now.After(replaced.Add(MaxHolderLife + clockSkew + time.Hour)) {
			if err := os.Remove(key.file); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		if key.key != nil {
			key.key = nil
			if err := key.write(); err != nil {
				return err
			}
		}
		kept = append(kept, key)
	}
	k.keys = kept
	return nil
}

func (k *Keyring) current() (crypto.Signer, *x509.Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.keys[len(k.keys)-1]
	return key.key, key.cert
}

// Trusted are the certificates of all keys by which something valid may be signed, that of the signing key last.
func (k *Keyring) Trusted(time.Time) []*x509.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	var certs []*x509.Certificate
	for _, key := range k.keys {
		certs = append(certs, key.cert)
	}
	return certs
}

func (s signingKey) write() error {
	var b strings.Builder
	if s.key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(s.key)
		if err != nil {
			return err
		}
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}))
	return renameio.WriteFile(s.file, []byte(b.String()), 0o600, renameio.IgnoreUmask())
}

func readSigningKey(file string) (signingKey, error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return signingKey{}, err
	}
	s := signingKey{file: file}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			s.cert, err = x509.ParseCertificate(block.Bytes)
		case "PRIVATE KEY":
			s.key, err = parseKey(block.Bytes)
		}
		if err != nil {
			return s, err
		}
	}
	if s.cert == nil {
		return s, errors.New("it holds no certificate")
	}
	if s.key != nil && !s.key.Public().(*rsa.PublicKey).Equal(s.cert.PublicKey) {
		return s, errors.New("the key is not the certificate's")
	}
	return s, nil
}

func parseKey(der []byte) (crypto.Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not of RSA")
	}
	return key, nil
}

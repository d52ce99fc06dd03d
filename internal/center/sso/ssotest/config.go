// Package ssotest configures single sign-on for tests: real but with cheap hashes, and without a new key for each test.
package ssotest

import (
	"crypto"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pacific/internal/center/sso"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/password"
	"pacific/internal/center/sso/sts"
	"pacific/internal/pki"
)

// URL that stands in assertions.
const URL = "https://center.test"

// Config keeps files in dir, among them administrator.password.
func Config(t testing.TB, dir string) sso.Config {
	t.Helper()
	keys := filepath.Join(dir, "signing")
	if err := os.MkdirAll(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	data, err := signingKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(keys, "1.pem"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	ca, err := pki.LoadOrCreateCA(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return sso.Config{
		Domain: "pacific.local", URL: URL, AdministratorPasswordFile: filepath.Join(dir, "administrator.password"),
		SigningKeys: keys, Authority: authority(ca),
		Directory: directory.Options{Parameters: password.Parameters{MemoryKiB: 64, Passes: 1, Lanes: 1}},
	}
}

func authority(ca *pki.CA) sts.Authority {
	return func(public crypto.PublicKey, life time.Duration) ([]byte, error) {
		return ca.Certify(public, pki.Leaf{CommonName: "sts"}, life)
	}
}

// signingKey is made once; a key of 3072 bits takes a second.
var signingKey = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "ssotest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ca, err := pki.LoadOrCreateCA(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), "test")
	if err != nil {
		return nil, err
	}
	if _, err := sts.OpenKeyring(filepath.Join(dir, "keys"), authority(ca), time.Now()); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*.pem"))
	if err != nil {
		return nil, err
	}
	return os.ReadFile(files[0])
})

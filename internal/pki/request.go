package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// Sign issues a certificate as described for the key of a request (PKCS #10, DER), as PEM. Nothing else of the request counts:
// whoever asks does not choose his name. The leaf's files are not used.
func (ca *CA) Sign(request []byte, leaf Leaf, life time.Duration) ([]byte, error) {
	parsed, err := parseRequest(request)
	if err != nil {
		return nil, err
	}
	der, err := ca.sign(leaf, parsed.PublicKey, life)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func parseRequest(request []byte) (*x509.CertificateRequest, error) {
	parsed, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := parsed.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request is not signed by its key: %w", err)
	}
	key, ok := parsed.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve.Params().BitSize < 256 {
		return nil, fmt.Errorf("certificate request has a key of type %s; make one of ECDSA with 256 bits", parsed.PublicKeyAlgorithm)
	}
	return parsed, nil
}

// RequestKey is the [KeyID] of a request's key. The request must be signed by it.
func RequestKey(request []byte) (string, error) {
	parsed, err := parseRequest(request)
	if err != nil {
		return "", err
	}
	return KeyID(parsed.PublicKey)
}

// KeyID is the SHA-256 of a public key, in hexadecimal.
func KeyID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// Fingerprint is the SHA-256 of a certificate, in hexadecimal, by which people recognise an authority.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// PEM is the authority's certificate.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// Fingerprint of the authority's certificate.
func (ca *CA) Fingerprint() string { return Fingerprint(ca.cert) }

// EnsureKey reads the key in a PEM file, and makes it where there is none.
func EnsureKey(file string) (crypto.Signer, error) {
	key, err := loadKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = newKey(); err != nil {
		return nil, err
	}
	data, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	return key, renameio.WriteFile(file, data, 0o600, renameio.IgnoreUmask())
}

// NewKey makes a key and its PEM.
func NewKey() (crypto.Signer, []byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	data, err := keyPEM(key)
	return key, data, err
}

// Request is a request to sign the key, DER.
func Request(key crypto.Signer) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

func keyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Certificate reads the first certificate of a PEM file.
func Certificate(file string) (*x509.Certificate, error) { return readCertificate(file) }

// Due tells whether two thirds of the certificate's life are over, so that it has to be renewed.
func Due(cert *x509.Certificate, now time.Time) bool { return due(cert, now) }

// Pair tells whether the files hold a certificate and its key, and returns the certificate.
func Pair(certFile, keyFile string) (*x509.Certificate, error) {
	cert, _, err := loadPair(certFile, keyFile)
	return cert, err
}

// DER is the authority's certificate.
func (ca *CA) DER() []byte { return ca.cert.Raw }

// Pool trusts the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// Issue makes a key and a certificate for it, both PEM, that are in memory only.
func (ca *CA) Issue(leaf Leaf, life time.Duration) (certificate, key []byte, err error) {
	signer, key, err := NewKey()
	if err != nil {
		return nil, nil, err
	}
	request, err := Request(signer)
	if err != nil {
		return nil, nil, err
	}
	certificate, err = ca.Sign(request, leaf, life)
	return certificate, key, err
}

package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// ServerConfig serves the certificate in the files, read again when they change. With clientCAFile, clients must show a
// certificate that this authority signed.
func ServerConfig(certFile, keyFile, clientCAFile string) (*tls.Config, error) {
	pair := &pairFiles{certFile: certFile, keyFile: keyFile}
	if _, err := pair.get(); err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.get() },
	}
	if clientCAFile == "" {
		return config, nil
	}
	pool, err := loadPool(clientCAFile)
	if err != nil {
		return nil, err
	}
	config.ClientCAs = pool
	config.ClientAuth = tls.RequireAndVerifyClientCert
	return config, nil
}

// ClientConfig trusts servers that the authority in caFile signed, and shows the certificate in the files, read again
// when they change. certFile may be empty for a client without a certificate.
func ClientConfig(caFile, certFile, keyFile string) (*tls.Config, error) {
	pool, err := loadPool(caFile)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if certFile == "" {
		return config, nil
	}
	pair := &pairFiles{certFile: certFile, keyFile: keyFile}
	if _, err := pair.get(); err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get() }
	return config, nil
}

func loadPool(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificate authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("read certificate authority: %s holds no certificate", file)
	}
	return pool, nil
}

// pairFiles is a certificate and key on disk. A pair that cannot be read after a change, as between the two renames of a
// renewal, leaves the last good one in use.
type pairFiles struct {
	certFile, keyFile string

	mu      sync.Mutex
	changed [2]time.Time
	cert    *tls.Certificate
}

func (p *pairFiles) get() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed, err := p.modified()
	if err == nil && p.cert != nil && changed == p.changed {
		return p.cert, nil
	}
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		if p.cert != nil {
			return p.cert, nil
		}
		return nil, fmt.Errorf("load certificate %s: %w", p.certFile, err)
	}
	p.cert, p.changed = &cert, changed
	return p.cert, nil
}

func (p *pairFiles) modified() (times [2]time.Time, err error) {
	for i, file := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}

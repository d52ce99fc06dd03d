package kubectlvsphere

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// trust says which servers are believed.
type trust struct {
	// authority is PEM; nil with insecure.
	authority []byte
	insecure  bool
}

func (t trust) tls() (*tls.Config, error) {
	if t.insecure {
		return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, nil //nolint:gosec // the user asked for it
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(t.authority) {
		return nil, errors.New("the certificate authority is no PEM certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// trust decides, in this order: what the flags say, what the kubeconfig has from an earlier login, what the system
// trusts, what the user says to the fingerprint.
func (o *options) trust(ctx context.Context, t *terminal, at address, pinned []byte) (trust, error) {
	switch {
	case o.insecure:
		return trust{insecure: true}, nil
	case o.authorityFile != "":
		data, err := os.ReadFile(o.authorityFile)
		if err != nil {
			return trust{}, fmt.Errorf("--certificate-authority: %w", err)
		}
		return trust{authority: data}, nil
	case o.fingerprint != "":
		return o.byFingerprint(ctx, at)
	case len(pinned) > 0:
		return trust{authority: pinned}, nil
	}
	if authority, err := fetchAuthority(ctx, at, &tls.Config{MinVersion: tls.VersionTLS12}); err == nil {
		return trust{authority: authority}, nil
	} else if !untrusted(err) {
		return trust{}, err
	}
	return byAnswer(ctx, t, at)
}

func (o *options) byFingerprint(ctx context.Context, at address) (trust, error) {
	want, err := parseFingerprint(o.fingerprint)
	if err != nil {
		return trust{}, err
	}
	authority, err := fetchUnverified(ctx, at)
	if err != nil {
		return trust{}, err
	}
	if got := fingerprint(authority); got != want {
		return trust{}, fmt.Errorf("the server at %s has another certificate authority, with the fingerprint %s: it is not the server that --ca-sha256 is of, or its authority was replaced; ask your administrator", at.login, got)
	}
	return trust{authority: authority}, nil
}

func byAnswer(ctx context.Context, t *terminal, at address) (trust, error) {
	authority, err := fetchUnverified(ctx, at)
	if err != nil {
		return trust{}, err
	}
	if !t.interactive {
		return trust{}, fmt.Errorf("this machine does not know the certificate authority of %s: give --ca-sha256 with the fingerprint that your administrator tells you, or --certificate-authority with its file", at.login)
	}
	fmt.Fprintf(t.err, "This machine does not know the certificate authority of %s. Its SHA-256 fingerprint is\n   %s\n", at.login, fingerprint(authority))
	answer, err := t.ask("Is this what your administrator tells you? [y/N] ")
	if err != nil {
		return trust{}, err
	}
	if answer != "y" && answer != "Y" && answer != "yes" {
		return trust{}, errors.New("not signed in: the server is not trusted")
	}
	return trust{authority: authority}, nil
}

// fetchUnverified gets the authority from whoever answers; nothing else is said to him.
func fetchUnverified(ctx context.Context, at address) ([]byte, error) {
	return fetchAuthority(ctx, at, &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}) //nolint:gosec // it is compared afterwards
}

// fetchAuthority returns the first certificate that the server names as its authority.
func fetchAuthority(ctx context.Context, at address, config *tls.Config) ([]byte, error) {
	client := httpClient(config)
	client.Timeout = 15 * time.Second
	data, err := get(ctx, client, "https://"+at.login+"/wcp/ca")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s has no certificate authority to fetch: is it a Supervisor?", at.login)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !certificate.IsCA {
		return nil, fmt.Errorf("what %s gives for its certificate authority is none", at.login)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}), nil
}

func fingerprint(authority []byte) string {
	block, _ := pem.Decode(authority)
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// untrusted tells whether a connection failed because the server's certificate is not believed.
func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

func httpClient(config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		// A password goes to the server that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

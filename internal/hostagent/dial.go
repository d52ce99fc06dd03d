package hostagent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/pki"
)

// dial connects to center with the host's certificate.
func dial(dir Dir, center string) (*grpc.ClientConn, error) {
	config, err := pki.ClientConfig(dir.centerCA(), dir.agentPair(), dir.agentPair())
	if err != nil {
		return nil, fmt.Errorf("this host's certificate at center: %w", err)
	}
	return grpc.NewClient(center,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 10 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true}))
}

// dialPinned connects to a center that is known by the fingerprint of its authority alone, and tells the authority, DER.
func dialPinned(center, fingerprint string, learned func(authority *x509.Certificate)) (*grpc.ClientConn, error) {
	host, _, err := net.SplitHostPort(center)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// The chain is checked by VerifyConnection, against the authority that has the fingerprint.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			authority, err := verifyPinned(state, host, fingerprint)
			if err == nil {
				learned(authority)
			}
			return err
		},
	}
	return grpc.NewClient(center, grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

func verifyPinned(state tls.ConnectionState, host, fingerprint string) (*x509.Certificate, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, errors.New("center shows no certificate")
	}
	var shown string
	for _, authority := range state.PeerCertificates[1:] {
		if shown = pki.Fingerprint(authority); shown != fingerprint || !authority.IsCA {
			continue
		}
		roots := x509.NewCertPool()
		roots.AddCert(authority)
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, DNSName: host})
		return authority, err
	}
	return nil, fmt.Errorf("this is not the center with the authority %s: it shows %s; compare with what pacific host token printed on center", fingerprint, orNothing(shown))
}

func orNothing(s string) string {
	if s == "" {
		return "no authority"
	}
	return s
}

// client asks center to sign.
type client struct{ centerv1.HostsClient }

func (c client) certify(ctx context.Context, requests []*centerv1.CertificateRequest) ([]*centerv1.Certificate, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	response, err := c.Certify(ctx, &centerv1.CertifyRequest{Requests: requests})
	return response.GetCertificates(), response.GetHostCa(), err
}

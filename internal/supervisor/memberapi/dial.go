package memberapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	supervisorv1 "pacific/api/supervisor/v1"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// Dial returns a connection, which connects when it is first used, to the member with this address, for who has the bundle
// of its Supervisor. It shows a certificate made for it.
func Dial(address netip.Addr, bundle *pki.Bundle) (*grpc.ClientConn, error) {
	config, err := clientConfig(bundle)
	if err != nil {
		return nil, fmt.Errorf("client certificate for the members: %w", err)
	}
	return grpc.NewClient("passthrough:///"+netip.AddrPortFrom(address, member.APIPort).String(),
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
}

// clientConfig makes the certificate by way of files: that is how the authority issues.
func clientConfig(bundle *pki.Bundle) (*tls.Config, error) {
	dir, err := os.MkdirTemp("", "pacific-center-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := func(name string) string { return filepath.Join(dir, name) }
	for name, content := range map[string]string{"ca.crt": bundle.MemberCA.Certificate, "ca.key": bundle.MemberCA.Key} {
		if err := os.WriteFile(file(name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	ca, err := hostpki.LoadCA(file("ca.crt"), file("ca.key"))
	if err != nil {
		return nil, err
	}
	leaf := hostpki.Leaf{CertFile: file("c.crt"), KeyFile: file("c.key"), CommonName: ClientName, Client: true}
	if _, err := ca.Ensure(leaf); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(leaf.CertFile, leaf.KeyFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(bundle.MemberCA.Certificate)) {
		return nil, errors.New("the bundle's member CA holds no certificate")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{pair}}, nil
}

// Receive writes a snapshot that comes in chunks.
func Receive(stream grpc.ServerStreamingClient[supervisorv1.SnapshotChunk], to io.Writer) error {
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := to.Write(chunk.Data); err != nil {
			return err
		}
	}
}

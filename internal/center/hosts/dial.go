package hosts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"pacific/internal/pki"
)

// hostdPort is where hostd listens on every host.
const hostdPort = 7443

// dialer keeps one connection to each hostd.
type dialer struct {
	ca     *pki.CA
	client pki.Leaf

	mu    *sync.Mutex
	conns map[string]connection
}

type connection struct {
	*grpc.ClientConn
	address string
}

func newDialer(ca *pki.CA, dir string) (dialer, error) {
	d := dialer{
		ca: ca, mu: &sync.Mutex{}, conns: map[string]connection{},
		client: pki.Leaf{CertFile: filepath.Join(dir, "hostd-client-center.crt"), KeyFile: filepath.Join(dir, "hostd-client-center.key"), CommonName: "center", Client: true},
	}
	if _, err := ca.Ensure(d.client); err != nil {
		return d, fmt.Errorf("center's certificate for hostds: %w", err)
	}
	return d, nil
}

// Dial is the connection to a host's hostd, as client "center". It is shared: callers do not close it. Calls on it fail with
// UNAVAILABLE while the host is away.
func (h *Hosts) Dial(ctx context.Context, nameOrID string) (*grpc.ClientConn, error) {
	host, err := h.Find(ctx, nameOrID)
	if err != nil {
		return nil, fmt.Errorf("connect to hostd of host %s: %w", nameOrID, err)
	}
	return h.dialer.dial(host)
}

func (d dialer) dial(host Host) (*grpc.ClientConn, error) {
	address := net.JoinHostPort(host.Address, strconv.Itoa(hostdPort))
	d.mu.Lock()
	defer d.mu.Unlock()
	if have, ok := d.conns[host.ID]; ok && have.address == address {
		return have.ClientConn, nil
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(d.tls())))
	if err != nil {
		return nil, fmt.Errorf("connect to hostd of host %s: %w", host.Name, err)
	}
	d.conns[host.ID] = connection{conn, address}
	return conn, nil
}

// tls renews the client's certificate when a connection needs it and it is due.
func (d dialer) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    d.ca.Pool(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if _, err := d.ca.Ensure(d.client); err != nil {
				return nil, err
			}
			cert, err := tls.LoadX509KeyPair(d.client.CertFile, d.client.KeyFile)
			return &cert, err
		},
	}
}

func (d dialer) drop(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if conn, ok := d.conns[id]; ok {
		_ = conn.Close()
		delete(d.conns, id)
	}
}

func (d dialer) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, conn := range d.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

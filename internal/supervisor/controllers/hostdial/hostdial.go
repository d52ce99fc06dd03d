// Package hostdial connects controllers to the hostd of a node.
package hostdial

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	corev1 "k8s.io/api/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"

	"pacific/internal/pki"
)

const (
	// port of hostd on every host.
	port = "7443"
	// A restarted hostd is back in a second or two, and pods wait for it.
	maxRetryDelay  = 2 * time.Second
	connectTimeout = 5 * time.Second
)

// Files are the client certificate for hostd and the authority that signs hostds' certificates.
type Files struct{ CA, Cert, Key string }

// Dialer keeps one connection to each host. gRPC reconnects it, and lets it idle, by itself.
type Dialer struct {
	nodes corelisters.NodeLister
	files Files

	mu    sync.Mutex
	hosts map[string]host
}

// host is where a node's hostd was when the connection was made.
type host struct {
	address string
	conn    *grpc.ClientConn
}

// New returns a dialer that finds addresses by the lister.
func New(nodes corelisters.NodeLister, files Files) *Dialer {
	return &Dialer{nodes: nodes, files: files, hosts: map[string]host{}}
}

// Dial returns the connection to a node's hostd, which is shared: the caller does not close it. Being returned does not
// mean being connected; the first call connects.
func (d *Dialer) Dial(_ context.Context, nodeName string) (*grpc.ClientConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	address, err := d.lookup(nodeName)
	if known, ok := d.hosts[nodeName]; ok {
		if err == nil && known.address == address {
			return known.conn, nil
		}
		_ = known.conn.Close()
		delete(d.hosts, nodeName)
	}
	if err != nil {
		return nil, err
	}
	conn, err := d.connect(nodeName, address)
	if err != nil {
		return nil, fmt.Errorf("hostd of node %s at %s: %w", nodeName, address, err)
	}
	d.hosts[nodeName] = host{address: address, conn: conn}
	return conn, nil
}

// connect demands that the certificate names the node: a host that claims another's address gets no pull secrets.
func (d *Dialer) connect(nodeName, address string) (*grpc.ClientConn, error) {
	config, err := pki.ClientConfig(d.files.CA, d.files.Cert, d.files.Key)
	if err != nil {
		return nil, err
	}
	config.ServerName = nodeName
	retry := backoff.DefaultConfig
	retry.MaxDelay = maxRetryDelay
	return grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: connectTimeout}))
}

func (d *Dialer) lookup(nodeName string) (string, error) {
	node, err := d.nodes.Get(nodeName)
	if err != nil {
		return "", fmt.Errorf("hostd of node %s: %w", nodeName, err)
	}
	return hostdAddress(node)
}

// hostdAddress is where the node's hostd listens, "IP:port".
func hostdAddress(node *corev1.Node) (string, error) {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return net.JoinHostPort(address.Address, port), nil
		}
	}
	return "", fmt.Errorf("node %s has no InternalIP: does its spherelet run?", node.Name)
}

// Close ends all connections.
func (d *Dialer) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, host := range d.hosts {
		_ = host.conn.Close()
		delete(d.hosts, name)
	}
}

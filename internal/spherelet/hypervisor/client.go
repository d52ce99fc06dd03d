// Package hypervisor is the spherelet's side of hostd, the hypervisor daemon of the host: a connection and a view of the
// host's machines that is kept up to date by hostd's watch.
package hypervisor

import (
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	hostv1 "pacific/api/host/v1"
)

// Client has all services of hostd.
type Client struct {
	Host     hostv1.HostClient
	Machines hostv1.VirtualMachinesClient
	Disks    hostv1.DisksClient
	Images   hostv1.ImagesClient

	conn *grpc.ClientConn
}

// Connect makes a client that connects when it is first used, and again whenever the connection is lost.
func Connect(address string, config *tls.Config) (*Client, error) {
	// hostd is on the same host and back within a second after a restart: the default back-off of up to two minutes
	// would leave the node without its hypervisor much longer than needed.
	retry := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second}
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: 5 * time.Second}),
		// An image's configuration and a full inventory are the largest answers; the default is 4 MiB.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return nil, err
	}
	return NewClient(conn), nil
}

// NewClient uses a connection that the client then owns.
func NewClient(conn *grpc.ClientConn) *Client {
	return &Client{
		Host:     hostv1.NewHostClient(conn),
		Machines: hostv1.NewVirtualMachinesClient(conn),
		Disks:    hostv1.NewDisksClient(conn),
		Images:   hostv1.NewImagesClient(conn),
		conn:     conn,
	}
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

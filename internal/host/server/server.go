// Package server serves the API of hostd, api/host/v1, over mutual TLS.
package server

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	hostv1 "pacific/api/host/v1"
)

// Services of a host.
type Services struct {
	Host     hostv1.HostServer
	Machines hostv1.VirtualMachinesServer
	Pools    hostv1.PoolsServer
	Disks    hostv1.DisksServer
	Images   hostv1.ImagesServer
}

// stopTimeout for calls under way; streams of watchers never end by themselves.
const stopTimeout = 2 * time.Second

// Serve answers until ctx is done. host is the name of this host; clients are authorized by it.
func Serve(ctx context.Context, listener net.Listener, config *tls.Config, host string, s Services) error {
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)),
		grpc.ChainUnaryInterceptor(unaryAuthorizer(host)),
		grpc.ChainStreamInterceptor(streamAuthorizer(host)),
		// Finds peers that vanished without a word, which a restarted network namespace makes.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	hostv1.RegisterHostServer(server, s.Host)
	hostv1.RegisterVirtualMachinesServer(server, s.Machines)
	hostv1.RegisterPoolsServer(server, s.Pools)
	hostv1.RegisterDisksServer(server, s.Disks)
	hostv1.RegisterImagesServer(server, s.Images)
	stopped := context.AfterFunc(ctx, func() {
		time.AfterFunc(stopTimeout, server.Stop)
		server.GracefulStop()
	})
	defer stopped()
	return server.Serve(listener)
}

// Package memberapi is the management API of a member of a Supervisor, api/supervisor/v1, for center.
package memberapi

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	supervisorv1 "pacific/api/supervisor/v1"
	"pacific/internal/component"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// ClientName is the common name of the one client.
const ClientName = "center"

// stopTimeout for calls under way at a stop.
const stopTimeout = time.Second

// Components tell how they are.
type Components interface {
	Status(ctx context.Context) []component.Status
}

// Config of the server.
type Config struct {
	Member member.Config
	Layout pki.Layout
	// Etcd is the URL of this member's etcd.
	Etcd string
	// Version of Kubernetes.
	Version string
	// Holder is the name of the member that has the floating address, Leader that of the one that was elected; nil where
	// there is neither.
	Holder, Leader func() string
}

// Server is the component.
type Server struct {
	supervisorv1.UnimplementedMemberServer
	config     Config
	components Components
	etcd       *clientv3.Client
}

// New returns the component.
func New(config Config) *Server { return &Server{config: config} }

// Watch tells the server whose health it tells; before it runs.
func (s *Server) Watch(components Components) { s.components = components }

// Name of the component.
func (*Server) Name() string { return "management API" }

// Run serves until ctx is cancelled. It needs no other component, and is ready at once.
func (s *Server) Run(ctx context.Context, ready func()) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.config.Etcd}, Logger: zap.NewNop()})
	if err != nil {
		return fmt.Errorf("client of etcd: %w", err)
	}
	defer client.Close()
	s.etcd = client
	layout := s.config.Layout
	config, err := hostpki.ServerConfig(layout.Cert(pki.Member), layout.Key(pki.Member), layout.Cert(pki.MemberCA))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", netip.AddrPortFrom(s.config.Member.Self().Address, member.APIPort).String())
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)),
		grpc.UnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			if err := authorize(ctx); err != nil {
				return nil, err
			}
			return handle(ctx, request)
		}),
		grpc.StreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			if err := authorize(stream.Context()); err != nil {
				return err
			}
			return handle(server, stream)
		}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	supervisorv1.RegisterMemberServer(server, s)
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(stopTimeout, server.Stop)
		server.GracefulStop()
	})
	defer stop()
	ready()
	return server.Serve(listener)
}

// authorize lets center in, and nobody else that the member CA vouches for.
func authorize(ctx context.Context) error {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return status.Error(codes.Unauthenticated, "no client certificate")
	}
	tls, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(tls.State.VerifiedChains) == 0 {
		return status.Error(codes.Unauthenticated, "no client certificate")
	}
	if name := tls.State.VerifiedChains[0][0].Subject.CommonName; name != ClientName {
		return status.Errorf(codes.PermissionDenied, "only %s may call a member of a Supervisor, not %q", ClientName, name)
	}
	return nil
}

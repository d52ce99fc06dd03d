// Package hosts is center's knowledge of its hosts: tokens by which they join, certificates, the session with each host's agent,
// states, maintenance, removal, and connections to their hostds.
//
// Agents call, center never does; so a host behind a firewall joins too, and center finds out that a host is away by missing it.
// What center wants of a host is computed anew from records and sent whole, whenever it has changed.
package hosts

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	centerv1 "pacific/api/center/v1"
	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// AgentPort is where center listens for the agents.
const AgentPort = 7440

const (
	// heartbeat is how often agents report.
	heartbeat = 5 * time.Second
	// lostAfter missing heartbeats a host is not responding: four lost ones are no accident.
	lostAfter = 4*heartbeat + heartbeat/2
)

// Supervisors tells which Supervisor a host belongs to.
type Supervisors interface {
	// Node is what makes the host a node; nil while its cluster is no Supervisor, or has no API yet.
	Node(context.Context, Host) (*centerv1.Node, error)
	// Members are the control plane members that run on the host as processes.
	Members(context.Context, Host) ([]*centerv1.Member, error)
	// Authority signs what the host needs as a node; nil where Node is.
	Authority(context.Context, Host) (Signer, error)
}

// Config of the part.
type Config struct {
	Store *store.Store
	// Listen is the address for agents, IP:7440.
	Listen string
	// Cert and Key are center's serving certificate, which CenterCA signed.
	Cert, Key string
	CenterCA  *pki.CA
	HostCA    *pki.CA
	// ClientDir gets center's client certificate for hostds.
	ClientDir   string
	Supervisors Supervisors
}

// Hosts is the part of center.
type Hosts struct {
	centerv1.UnimplementedHostsServer
	config  Config
	store   *store.Store
	records records
	now     func() time.Time
	started time.Time
	dialer  dialer

	mu       sync.Mutex
	sessions map[string]*session // by host id
}

// New is the part; [Hosts.Run] runs it.
func New(config Config) (*Hosts, error) {
	h := &Hosts{config: config, store: config.Store, records: recordsOf(config.Store), now: time.Now, sessions: map[string]*session{}}
	h.started = h.now()
	var err error
	h.dialer, err = newDialer(config.HostCA, config.ClientDir)
	return h, err
}

// Run serves the agents and watches over their heartbeats until ctx is done.
func (h *Hosts) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", h.config.Listen)
	if err != nil {
		return fmt.Errorf("listen for hosts' agents: %w", err)
	}
	return h.serve(ctx, listener)
}

func (h *Hosts) serve(ctx context.Context, listener net.Listener) error {
	tlsConfig, err := h.tls()
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(tlsConfig)),
		grpc.MaxRecvMsgSize(1<<20),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * heartbeat, Timeout: 2 * heartbeat}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: heartbeat, PermitWithoutStream: true}),
	)
	centerv1.RegisterHostsServer(server, h)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ignoreStopped(server.Serve(listener)) })
	group.Go(func() error { h.watchOver(ctx); return nil })
	group.Go(func() error { h.sweeper(ctx); return nil })
	group.Go(func() error { h.nodeRemover(ctx); return nil })
	group.Go(func() error { <-ctx.Done(); server.Stop(); return nil })
	err = group.Wait()
	return errors.Join(err, h.dialer.close())
}

func ignoreStopped(err error) error {
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// tls shows the authority beside the certificate: a host that joins knows it by its fingerprint alone.
func (h *Hosts) tls() (*tls.Config, error) {
	config, err := pki.ServerConfig(h.config.Cert, h.config.Key, "")
	if err != nil {
		return nil, fmt.Errorf("center's certificate: %w", err)
	}
	serve := config.GetCertificate
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := serve(hello)
		if err != nil {
			return nil, err
		}
		chain := *cert
		chain.Certificate = [][]byte{cert.Certificate[0], h.config.CenterCA.DER()}
		return &chain, nil
	}
	config.ClientCAs = h.config.CenterCA.Pool()
	config.ClientAuth = tls.VerifyClientCertIfGiven
	return config, nil
}

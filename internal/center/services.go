package center

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"pacific/internal/center/audit"
	"pacific/internal/center/inventory"
	"pacific/internal/center/rest"
	"pacific/internal/center/sso"
	"pacific/internal/center/store"
	"pacific/internal/pki"
)

// part of center: calls of the API, and work in the background.
type part interface {
	Routes() []rest.Route
	// Run brings what is there to what is wanted until ctx is cancelled.
	Run(ctx context.Context) error
}

// services is the component that holds all parts and the API in front of them.
type services struct {
	config *Config
	socket string // of center's own etcd
}

// Name of the component.
func (*services) Name() string { return "services" }

// Run serves until ctx is cancelled.
func (s *services) Run(ctx context.Context, ready func()) error {
	records, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer records.Close()
	log, err := audit.Open(Layout{s.config.DataDir}.Audit())
	if err != nil {
		return err
	}
	defer log.Close()
	if err := inventory.EnsureDefault(ctx, records); err != nil {
		return err
	}
	signOn, err := s.signOn(ctx, records)
	if err != nil {
		return err
	}
	listener, err := s.listen()
	if err != nil {
		return err
	}
	parts, err := s.parts(ctx, records, signOn)
	if err != nil {
		return err
	}
	return s.serve(ctx, ready, listener, log, signOn, parts)
}

func (s *services) open(ctx context.Context) (*store.Store, error) {
	if s.socket == "" {
		return store.OpenExternal(ctx, s.config.Etcd)
	}
	return store.OpenSocket(ctx, s.socket)
}

func (s *services) signOn(ctx context.Context, records *store.Store) (*sso.Service, error) {
	layout := Layout{s.config.DataDir}
	ca, err := pki.LoadCA(layout.CA())
	if err != nil {
		return nil, err
	}
	return sso.New(ctx, records, sso.Config{
		Domain: s.config.Domain, AdministratorPasswordFile: s.config.AdministratorPasswordFile, Terminal: os.Stdout,
		URL: s.config.url(), SigningKeys: layout.SigningKeys(),
		Authority: func(public crypto.PublicKey, life time.Duration) ([]byte, error) {
			return ca.Certify(public, pki.Leaf{CommonName: "pacific-sts"}, life)
		},
	})
}

func (s *services) listen() (net.Listener, error) {
	cert, key := Layout{s.config.DataDir}.Serving()
	config, err := pki.ServerConfig(cert, key, "")
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(s.config.Address.String(), strconv.Itoa(Port))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: give an --address that this machine has, and end what else listens there", err)
	}
	return tls.NewListener(listener, config), nil
}

func (s *services) serve(ctx context.Context, ready func(), listener net.Listener, log *audit.Log, signOn rest.Authenticator, parts parts) error {
	var routes []rest.Route
	for _, p := range parts.all {
		routes = append(routes, p.Routes()...)
	}
	api := rest.NewServer(signOn, log, routes)
	for _, pattern := range parts.soap.Patterns() {
		api.Handle(pattern, parts.soap)
	}
	server := http.Server{
		Handler:           api,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts.all {
		group.Go(func() error { return p.Run(ctx) })
	}
	group.Go(func() error {
		ready()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		return errors.Join(server.Shutdown(ctx), server.Close())
	})
	return group.Wait()
}

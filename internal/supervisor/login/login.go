// Package login is what people reach at a Supervisor's address with a browser, with curl and with kubectl-vsphere: port 443. It
// signs them in at center and gives them tokens for the kube-apiserver, tells them their namespaces, and has the programs for it to
// download. To the kube-apiserver it hands the keys by which center's tokens are verified, also while center is away.
package login

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/pki"
)

// Port of the service.
const Port = 443

const (
	issuerPath = "/openidconnect"
	wellKnown  = "/.well-known/openid-configuration"
	// centerTimeout is for one question to center; a password takes it some tenths of a second.
	centerTimeout = 30 * time.Second
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 2 * time.Second
)

// Config is what the service is told.
type Config struct {
	// Address is the Supervisor's; Name is what users call it, if it has another.
	Address net.IP
	// Bind is the address to listen on: Address, or all where another address comes and goes.
	Bind net.IP
	// APIPort of the kube-apiserver.
	APIPort int
	// Cert and Key are the serving certificate, CA the authority that signed it, which users trust.
	Cert, Key, CA string
	// Issuer of the tokens and the authority of its certificate; Audience of this Supervisor.
	Issuer, IssuerCA, Audience string
	// DataDir is for the copy of the keys.
	DataDir string
	// PluginDir has <os>-<arch>/vsphere-plugin.zip to download.
	PluginDir string
}

// Server is the component.
type Server struct{ config Config }

// New returns the component.
func New(config Config) *Server { return &Server{config: config} }

// Discovery is the URL of the OpenID Connect document for the kube-apiserver. A state makes it another URL of the same document.
func Discovery(address net.IP, state string) string {
	return "https://" + address.String() + issuerPath + "/" + state + wellKnown
}

// KeysFile is the copy of center's keys in a data directory.
func KeysFile(dataDir string) string { return filepath.Join(dataDir, "login", "jwks.json") }

// Validate says what is wrong with an issuer, its authority and an audience.
func Validate(issuer, issuerCA, audience string) error {
	if issuer == "" {
		if issuerCA != "" || audience != "" {
			return errors.New("--token-issuer is missing: --token-issuer-ca and --token-audience mean nothing without it")
		}
		return nil
	}
	_, err := originOf(issuer)
	if issuerCA == "" {
		err = errors.Join(err, errors.New("--token-issuer-ca is missing: name the file of center's authority"))
	}
	if audience == "" {
		err = errors.Join(err, errors.New("--token-audience is missing: give the id by which center knows this Supervisor, such as domain-c1"))
	}
	return err
}

// Name of the component.
func (*Server) Name() string { return "login" }

// Run serves until ctx is cancelled. It is ready at once, with center or without.
func (s *Server) Run(ctx context.Context, ready func()) error {
	handler, keys, err := s.handler()
	if err != nil {
		return err
	}
	listener, err := s.listen()
	if err != nil {
		return err
	}
	server := http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		// What strangers do to the connection is no news.
		ErrorLog: log.New(quiet{}, "", 0),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go keys.run(ctx)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		_ = server.Shutdown(ctx)
		_ = server.Close()
	}()
	ready()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

func (s *Server) listen() (net.Listener, error) {
	config, err := pki.ServerConfig(s.config.Cert, s.config.Key, "")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(s.config.Bind.String(), fmt.Sprint(Port)))
	if err != nil {
		return nil, fmt.Errorf("%w: end what else listens there; people sign in on this port", err)
	}
	return tls.NewListener(listener, config), nil
}

func (s *Server) handler() (http.Handler, *keys, error) {
	origin, err := originOf(s.config.Issuer)
	if err != nil {
		return nil, nil, err
	}
	trust, err := pki.ClientConfig(s.config.IssuerCA, "", "")
	if err != nil {
		return nil, nil, fmt.Errorf("--token-issuer-ca: %w", err)
	}
	client := &http.Client{
		Timeout:   centerTimeout,
		Transport: &http.Transport{TLSClientConfig: trust, ForceAttemptHTTP2: true, IdleConnTimeout: idleTimeout},
		// Passwords go to the named server and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	keys := &keys{file: KeysFile(s.config.DataDir), fetch: fetchKeys(client, s.config.Issuer)}
	center := &centerClient{client: client, origin: origin, audience: s.config.Audience}
	return newHandler(s.config, center, keys), keys, nil
}

// quiet logs a server's complaints only when asked for.
type quiet struct{}

func (quiet) Write(line []byte) (int, error) {
	klog.V(2).InfoS("Connection", "err", string(line))
	return len(line), nil
}

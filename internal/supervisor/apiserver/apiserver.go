// Package apiserver runs the kube-apiserver inside the Supervisor's process.
package apiserver

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"pacific/internal/supervisor/namespacefields"
	"pacific/internal/supervisor/pki"
	"pacific/internal/supervisor/podfields"
	"pacific/internal/supervisor/upstream"
)

// shutdownTimeout is how long connections may stay open at a stop. Clients reconnect anyway, to the next start.
const shutdownTimeout = 2 * time.Second

// Server is the component.
type Server struct {
	config  Config
	options *options.ServerRunOptions
}

// New parses the arguments of the kube-apiserver.
func New(config Config) (*Server, error) {
	s := &Server{config: config, options: options.NewServerRunOptions()}
	s.addAdmission()
	if err := upstream.Parse(s.Name(), s.options.Flags(), Args(config)); err != nil {
		return nil, err
	}
	return s, nil
}

// addAdmission puts Pacific's plugins behind upstream's, so that they see what webhooks made of a request.
func (s *Server) addAdmission() {
	chain := s.options.Admission.GenericAdmission
	podfields.Register(chain.Plugins)
	namespacefields.Register(chain.Plugins)
	chain.RecommendedPluginOrder = append(slices.Clone(chain.RecommendedPluginOrder), podfields.PluginName, namespacefields.PluginName)
}

// Name of the component.
func (*Server) Name() string { return "kube-apiserver" }

// Run serves until ctx is cancelled.
func (s *Server) Run(ctx context.Context, ready func()) error {
	if err := s.config.checkAddress(); err != nil {
		return err
	}
	if err := s.config.writeAuthentication(); err != nil {
		return fmt.Errorf("write %s: %w", s.config.authenticationFile(), err)
	}
	prepared, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(upstream.Quiet(ctx, s.Name()))
	defer cancel()
	go s.keepAuthentication(ctx)
	go func() {
		if waitReady(ctx, s.config.Layout.Kubeconfig(pki.Supervisor)) == nil {
			ready()
		}
	}()
	return prepared(ctx)
}

// checkAddress says in time, and with the next step, what upstream would say later and without.
func (c Config) checkAddress() error {
	listener, err := net.Listen("tcp", net.JoinHostPort(c.Advertise.String(), strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("%w: give an --advertise-address that this machine has, and end what else listens there", err)
	}
	return listener.Close()
}

// prepare does what the upstream program does between parsing its flags and serving.
func (s *Server) prepare(ctx context.Context) (func(context.Context) error, error) {
	completedOptions, err := s.options.Complete(ctx)
	if err != nil {
		return nil, err
	}
	if errs := completedOptions.Validate(); len(errs) != 0 {
		return nil, utilerrors.NewAggregate(errs)
	}
	config, err := app.NewConfig(completedOptions)
	if err != nil {
		return nil, err
	}
	// Upstream makes the identity of the machine's name, but members may be namespaces of one machine.
	identity := s.config.identity()
	config.KubeAPIs.ControlPlane.Generic.APIServerID = identity
	config.ApiExtensions.GenericConfig.APIServerID = identity
	config.Aggregator.GenericConfig.APIServerID = identity
	completed, err := config.Complete()
	if err != nil {
		return nil, err
	}
	server, err := app.CreateServerChain(completed)
	if err != nil {
		return nil, err
	}
	server.GenericAPIServer.ShutdownTimeout = shutdownTimeout
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return prepared.Run, nil
}

// Package scheduler runs the kube-scheduler inside the Supervisor's process.
package scheduler

import (
	"context"
	"fmt"
	"net"

	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"pacific/internal/supervisor/pki"
	"pacific/internal/supervisor/upstream"
)

// Scheduler is the component.
type Scheduler struct {
	options    *options.Options
	plugins    []app.Option
	kubeconfig string
}

// Port of health and metrics, upstream's.
const Port = 10259

// Config is what the kube-scheduler is told.
type Config struct {
	Layout pki.Layout
	// Address to serve health and metrics on.
	Address net.IP
}

// Args are the arguments of the kube-scheduler.
func Args(c Config) []string {
	kubeconfig := c.Layout.Kubeconfig(pki.Scheduler)
	return []string{
		"--config=" + configFile(kubeconfig),
		// The lock on etcd's directory lets only one Supervisor run, so there is nobody to elect among.
		"--leader-elect=false",
		// Health, and metrics for those whom the kube-apiserver lets read them.
		"--bind-address=" + c.Address.String(),
		fmt.Sprintf("--secure-port=%d", Port),
		"--tls-cert-file=" + c.Layout.Cert(pki.ControlPlane),
		"--tls-private-key-file=" + c.Layout.Key(pki.ControlPlane),
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--authentication-skip-lookup=true",
		"--client-ca-file=" + c.Layout.Cert(pki.CA),
	}
}

// New parses the arguments of the kube-scheduler.
func New(config Config) (*Scheduler, error) {
	made, _ := plugins()
	s := &Scheduler{options: options.NewOptions(), plugins: made, kubeconfig: config.Layout.Kubeconfig(pki.Scheduler)}
	if err := upstream.Parse(s.Name(), *s.options.Flags, Args(config)); err != nil {
		return nil, err
	}
	return s, nil
}

// Name of the component.
func (*Scheduler) Name() string { return "kube-scheduler" }

// Run schedules until ctx is cancelled. It is ready when it knows all nodes and pods.
func (s *Scheduler) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(upstream.Quiet(ctx, s.Name()))
	defer cancel()
	config, scheduler, err := app.Setup(ctx, s.options, s.plugins...)
	if err != nil {
		return err
	}
	go func() {
		if scheduler.WaitForHandlersSync(ctx) == nil {
			ready()
		}
	}()
	return app.Run(ctx, config, scheduler)
}

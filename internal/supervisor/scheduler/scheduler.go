// Package scheduler runs the kube-scheduler inside the Supervisor's process.
package scheduler

import (
	"context"

	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	"pacific/internal/supervisor/upstream"
)

// Scheduler is the component.
type Scheduler struct {
	options    *options.Options
	plugins    []app.Option
	kubeconfig string
}

// Args are the arguments of the kube-scheduler.
func Args(kubeconfig string) []string {
	return []string{
		"--config=" + configFile(kubeconfig),
		// The lock on etcd's directory lets only one Supervisor run, so there is nobody to elect among.
		"--leader-elect=false",
		// Its metrics are in the kube-apiserver's, which is in the same process.
		"--secure-port=0",
	}
}

// New parses the arguments of the kube-scheduler.
func New(kubeconfig string) (*Scheduler, error) {
	s := &Scheduler{options: options.NewOptions(), plugins: ours, kubeconfig: kubeconfig}
	if err := upstream.Parse(s.Name(), *s.options.Flags, Args(kubeconfig)); err != nil {
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

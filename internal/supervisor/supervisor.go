// Package supervisor is the control plane of a cluster of hosts in one process: etcd, kube-apiserver, kube-scheduler,
// kube-controller-manager, and Pacific's controllers.
package supervisor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/klog/v2"

	"pacific/internal/component"
	"pacific/internal/daemon"
	"pacific/internal/supervisor/apiserver"
	"pacific/internal/supervisor/bootstrap"
	"pacific/internal/supervisor/controllermanager"
	"pacific/internal/supervisor/etcd"
	"pacific/internal/supervisor/metricsserver"
	"pacific/internal/supervisor/pki"
	"pacific/internal/supervisor/scheduler"
	"pacific/internal/supervisor/upstream"
)

const (
	// startTimeout is generous for a control plane in an emulated machine, about 8 times slower than a process.
	startTimeout = 5 * time.Minute
	// stopTimeout is for one of four stages; together they stay within the 20 s after which a stop is taken for a hang.
	stopTimeout = 5 * time.Second
)

// Run runs the control plane until ctx is cancelled.
func Run(ctx context.Context, config Config) error {
	config, err := config.complete()
	if err != nil {
		return err
	}
	stages, with, err := config.stages()
	if err != nil {
		return err
	}
	if err := upstream.Apply(); err != nil {
		return fmt.Errorf("set feature gates: %w", err)
	}
	manager := &component.Manager{Stages: stages, StartTimeout: startTimeout, StopTimeout: stopTimeout, Ready: daemon.Ready}
	if with.management != nil {
		with.management.Watch(manager)
		manager.Ready = func() {
			daemon.Ready()
			klog.InfoS("This member is ready", "member", config.Member.Name)
		}
	}
	return manager.Run(ctx)
}

// stages are the components in the order of their start.
func (c *Config) stages() ([]component.Stage, company, error) {
	layout := c.layout()
	store, err := etcd.New(c.etcdDir(), c.peers())
	if err != nil {
		return nil, company{}, fmt.Errorf("etcd: %w", err)
	}
	server, err := apiserver.New(apiserver.Config{
		Layout: layout, Advertise: c.AdvertiseAddress, Bind: c.bind(), Port: Port, ServiceCIDR: c.ServiceCIDR, Etcd: store.Endpoint(), Tokens: c.tokens(),
	})
	if err != nil {
		return nil, company{}, err
	}
	scheduler, err := scheduler.New(scheduler.Config{Layout: layout, Address: c.AdvertiseAddress})
	if err != nil {
		return nil, company{}, err
	}
	manager, err := controllermanager.New(controllermanager.Config{Layout: layout, Address: c.AdvertiseAddress, PodCIDR: c.PodCIDR, ServiceCIDR: c.ServiceCIDR})
	if err != nil {
		return nil, company{}, err
	}
	metrics := metricsserver.Config{Layout: layout, Address: c.AdvertiseAddress}
	once := []component.Stage{
		// Upstream's roles exist when the kube-apiserver is ready; ours are made by the applier. The Service of the metrics
		// server leads to the member that applies, so the two are one's.
		{scheduler, manager, metricsserver.New(metrics), bootstrap.New(layout.Kubeconfig(pki.Supervisor), metrics.Manifest)},
		c.controllers(),
	}
	with := c.company(store.Endpoint(), once)
	first := slices.Concat(component.Stage{store, &pki.Keeper{Layout: layout, Addresses: c.addresses()}}, c.login(), with.early())
	return append([]component.Stage{first, {server}}, with.late(once)...), with, nil
}

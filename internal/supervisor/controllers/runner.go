// Package controllers runs Pacific's own controllers as components, each with an identity of its own.
package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"
)

// Rate limits of one controller: enough that a hundred pods at once do not wait for each other.
const (
	queriesPerSecond = 200
	burst            = 400
)

// Kit is what every controller gets.
type Kit struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	Recorder  record.EventRecorder
}

// Controller works until its context is cancelled.
type Controller interface {
	Run(ctx context.Context) error
}

// Runner is the component of one controller.
type Runner struct {
	// Controller is its name; Kubeconfig that of its identity.
	Controller, Kubeconfig string
	// New makes the controller. It registers its event handlers with the informers, which are not started yet.
	New func(Kit) (Controller, error)
}

// Name of the component.
func (r *Runner) Name() string { return r.Controller }

// Run runs the controller until ctx is cancelled. It starts, and is ready, when its caches are filled.
func (r *Runner) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", r.Kubeconfig)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	config.QPS, config.Burst, config.UserAgent = queriesPerSecond, burst, "pacific-"+r.Controller
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	kit := Kit{
		Client:    client,
		Informers: informers.NewSharedInformerFactory(client, 0),
		Recorder:  broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: r.Controller}),
	}
	controller, err := r.New(kit)
	if err != nil {
		return err
	}
	kit.Informers.Start(ctx.Done())
	defer kit.Informers.Shutdown()
	defer cancel() // before the informers' shutdown waits for them
	for kind, synced := range kit.Informers.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("cache of %v: %w", kind, context.Cause(ctx))
		}
	}
	ready()
	return controller.Run(ctx)
}

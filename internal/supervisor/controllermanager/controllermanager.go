// Package controllermanager runs the kube-controller-manager inside the Supervisor's process.
package controllermanager

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app"
	"k8s.io/kubernetes/cmd/kube-controller-manager/app/options"

	"pacific/internal/supervisor/pki"
	"pacific/internal/supervisor/upstream"
)

const probeInterval = 100 * time.Millisecond

// Manager is the component.
type Manager struct {
	config  Config
	options *options.KubeControllerManagerOptions
}

// New parses the arguments of the kube-controller-manager.
func New(config Config) (*Manager, error) {
	options, err := options.NewKubeControllerManagerOptions()
	if err != nil {
		return nil, err
	}
	m := &Manager{config: config, options: options}
	flags := options.Flags(app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err := upstream.Parse(m.Name(), flags, Args(config)); err != nil {
		return nil, err
	}
	return m, nil
}

// Name of the component.
func (*Manager) Name() string { return "kube-controller-manager" }

// Run runs the controllers until ctx is cancelled.
func (m *Manager) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(upstream.Quiet(ctx, m.Name()))
	defer cancel()
	config, err := m.options.Config(ctx, app.KnownControllers(), app.ControllersDisabledByDefault(), app.ControllerAliases())
	if err != nil {
		return err
	}
	go func() {
		if m.waitForDefaults(ctx) == nil {
			ready()
		}
	}()
	return app.Run(ctx, config.Complete())
}

// waitForDefaults returns when the namespace "default" has what every pod needs, the service account and the
// certificate authority: the controllers work, and a pod can be created.
func (m *Manager) waitForDefaults(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", m.config.Layout.Kubeconfig(pki.Supervisor))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	core := client.CoreV1()
	return wait.PollUntilContextCancel(ctx, probeInterval, true, func(ctx context.Context) (bool, error) {
		_, account := core.ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		_, root := core.ConfigMaps(metav1.NamespaceDefault).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		return account == nil && root == nil, nil
	})
}

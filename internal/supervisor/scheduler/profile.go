package scheduler

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/yaml"

	"pacific/internal/supervisor/scheduler/machinememory"
)

// ours are the plugins of Pacific, which are enabled beside all of upstream's.
var ours = []app.Option{app.WithPlugin(machinememory.Name, machinememory.New)}

// configFile is the kube-scheduler's configuration: plugins can be enabled nowhere else.
func configFile(kubeconfig string) string {
	return filepath.Join(filepath.Dir(kubeconfig), "scheduler-config.yaml")
}

// configuration is a KubeSchedulerConfiguration. What it does not say stays upstream's default.
func configuration(kubeconfig string) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion":       "kubescheduler.config.k8s.io/v1",
		"kind":             "KubeSchedulerConfiguration",
		"clientConnection": map[string]any{"kubeconfig": kubeconfig},
		"enableProfiling":  false,
		"profiles": []any{map[string]any{
			"schedulerName": "default-scheduler",
			"plugins":       map[string]any{"multiPoint": map[string]any{"enabled": []any{map[string]any{"name": machinememory.Name}}}},
		}},
	})
}

// Init writes the configuration.
func (s *Scheduler) Init(context.Context) error {
	text, err := configuration(s.kubeconfig)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(configFile(s.kubeconfig), text, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write the kube-scheduler's configuration: %w", err)
	}
	return nil
}

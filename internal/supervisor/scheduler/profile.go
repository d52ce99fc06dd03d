package scheduler

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/yaml"

	"pacific/internal/supervisor/scheduler/hostload"
	"pacific/internal/supervisor/scheduler/machinememory"
	"pacific/internal/supervisor/scheduler/resourcepool"
)

// ours are the plugins of Pacific, which are enabled beside all of upstream's.
var ours = []struct {
	name string
	make app.Option
	// weight of the plugin's points; upstream's have 1 to 3.
	weight int
}{
	{machinememory.Name, app.WithPlugin(machinememory.Name, machinememory.New), 1},
	{resourcepool.Name, app.WithPlugin(resourcepool.Name, resourcepool.New), 1},
	// As much as upstream's two plugins together that look at requests.
	{hostload.Name, app.WithPlugin(hostload.Name, hostload.New), 2},
}

func plugins() (made []app.Option, enabled []any) {
	for _, p := range ours {
		made = append(made, p.make)
		enabled = append(enabled, map[string]any{"name": p.name, "weight": p.weight})
	}
	return made, enabled
}

// configFile is the kube-scheduler's configuration: plugins can be enabled nowhere else.
func configFile(kubeconfig string) string {
	return filepath.Join(filepath.Dir(kubeconfig), "scheduler-config.yaml")
}

// configuration is a KubeSchedulerConfiguration. What it does not say stays upstream's default.
func configuration(kubeconfig string) ([]byte, error) {
	_, enabled := plugins()
	return yaml.Marshal(map[string]any{
		"apiVersion":       "kubescheduler.config.k8s.io/v1",
		"kind":             "KubeSchedulerConfiguration",
		"clientConnection": map[string]any{"kubeconfig": kubeconfig},
		"enableProfiling":  false,
		"profiles": []any{map[string]any{
			"schedulerName": "default-scheduler",
			"plugins":       map[string]any{"multiPoint": map[string]any{"enabled": enabled}},
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

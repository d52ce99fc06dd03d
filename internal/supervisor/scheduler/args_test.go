package scheduler

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler/apis/config"

	"pacific/internal/supervisor/pki"
	"pacific/internal/supervisor/scheduler/hostload"
	"pacific/internal/supervisor/scheduler/machinememory"
	"pacific/internal/supervisor/scheduler/resourcepool"
)

func TestUpstreamKnowsTheArgs(t *testing.T) {
	s, err := New(Config{Layout: pki.Layout{DataDir: "/data"}, Address: net.IPv4(10, 77, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if s.options.LeaderElection.LeaderElect || s.options.SecureServing.BindPort != Port {
		t.Errorf("leader election %v, port %d", s.options.LeaderElection.LeaderElect, s.options.SecureServing.BindPort)
	}
}

func TestUpstreamKnowsTheConfiguration(t *testing.T) {
	s := &Scheduler{kubeconfig: filepath.Join(t.TempDir(), "scheduler.kubeconfig")}
	if err := s.Init(context.Background()); err != nil {
		t.Fatal(err)
	}
	config, err := options.LoadConfigFromFile(klog.Background(), configFile(s.kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	if config.ClientConnection.Kubeconfig != s.kubeconfig || config.EnableProfiling {
		t.Errorf("kubeconfig %s, profiling %v", config.ClientConnection.Kubeconfig, config.EnableProfiling)
	}
	enabled := config.Profiles[0].Plugins.MultiPoint.Enabled
	for _, name := range []string{"NodeResourcesFit", machinememory.Name, resourcepool.Name, hostload.Name} {
		if !slices.ContainsFunc(enabled, func(p kubescheduler.Plugin) bool { return p.Name == name }) {
			t.Errorf("plugin %s is not enabled: %v", name, enabled)
		}
	}
}

//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/onemachine/layout"
)

const kubernetesVersion = "v1.36.3"

func TestNodesAreReady(t *testing.T) {
	nodes, err := cluster.client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != cluster.instance.Hosts {
		t.Fatalf("%d nodes, %d hosts", len(nodes.Items), cluster.instance.Hosts)
	}
	for _, node := range nodes.Items {
		info := node.Status.NodeInfo
		if info.KubeletVersion != kubernetesVersion || info.KernelVersion == "" || info.ContainerRuntimeVersion == "" || info.OSImage == "" {
			t.Errorf("node %s: %+v", node.Name, info)
		}
		if node.Status.Capacity.Cpu().IsZero() || node.Status.Allocatable.Memory().IsZero() || node.Status.Allocatable.Pods().IsZero() {
			t.Errorf("node %s: capacity %v, allocatable %v", node.Name, node.Status.Capacity, node.Status.Allocatable)
		}
	}
	table := kubectl(t, "get", "nodes", "-o", "wide")
	if n := strings.Count(table, " Ready "); n != cluster.instance.Hosts {
		t.Errorf("kubectl get nodes shows %d Ready nodes:\n%s", n, table)
	}
}

func TestVersion(t *testing.T) {
	if out := kubectl(t, "version"); strings.Count(out, kubernetesVersion) != 2 {
		t.Errorf("kubectl version:\n%s", out)
	}
}

func TestStatus(t *testing.T) {
	var s struct {
		Ready       bool
		Accelerator string
		Supervisor  struct{ Server, Kubeconfig, Version string }
		Registry    struct{ Address, CA string }
		Hosts       []struct {
			Name, Address string
			Ready         bool
		}
	}
	if err := json.Unmarshal([]byte(pacificOutput(t, "status", "-o", "json")), &s); err != nil {
		t.Fatal(err)
	}
	if !s.Ready || s.Accelerator != "kvm" && s.Accelerator != "tcg" || s.Supervisor.Version != kubernetesVersion || len(s.Hosts) != cluster.instance.Hosts {
		t.Errorf("%+v", s)
	}
	for _, file := range []string{s.Supervisor.Kubeconfig, s.Registry.CA} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

func TestUpAgainChangesNothing(t *testing.T) {
	before := status(t)
	if err := pacific(t.Context(), cluster.Home, "up"); err != nil {
		t.Fatal(err)
	}
	after := status(t)
	for i, d := range before.Daemons {
		if after.Daemons[i].PID != d.PID {
			t.Errorf("%s had process %d, now %d", d.Name, d.PID, after.Daemons[i].PID)
		}
	}
}

func TestAnonymousSeesOnlyHealth(t *testing.T) {
	for path, want := range map[string]string{"/readyz": "200", "/livez": "200", "/api/v1/namespaces": "401", "/version": "401"} {
		r := onHost(t, layout.HostName(1), "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", cluster.SupervisorCA(), cluster.Server()+path)
		if r.stdout != want && (want == "200" || r.stdout != "403") {
			t.Errorf("%s without a certificate: %s", path, r)
		}
	}
}

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"pacific/internal/onemachine/leftover"
)

// TestDownLeavesNothingAndUpFindsTheState is the last of all tests, by the name of its file: it takes the instance down.
func TestDownLeavesNothingAndUpFindsTheState(t *testing.T) {
	if os.Getenv("PACIFIC_E2E_HOME") != "" {
		t.Skip("the instance is a user's")
	}
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "p", script: counter})
	kubectl(t, "create", "configmap", "kept", "-n", ns, "--from-literal=key=value")
	for range 2 {
		if err := pacific(t.Context(), cluster.Home, "down"); err != nil {
			t.Fatal(err)
		}
	}
	for _, left := range leftovers(t) {
		t.Error("down left", left)
	}
	if err := pacific(t.Context(), cluster.Home, "up"); err != nil {
		t.Fatal(err)
	}
	if out := kubectl(t, "get", "configmap", "kept", "-n", ns, "-o", "jsonpath={.data.key}"); out != "value" {
		t.Errorf("the ConfigMap has %q", out)
	}
	if now := awaitReady(t, ns, "p"); now.UID != pod.UID {
		t.Error("the pod is another")
	}
}

// leftovers of the instance on the machine.
func leftovers(t *testing.T) []string {
	t.Helper()
	var left []string
	processes, err := leftover.Processes(cluster.Layout)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		left = append(left, fmt.Sprintf("process %d", p.PID))
	}
	for _, list := range [][]string{{"ip", "netns"}, {"ip", "-br", "link"}, {"nft", "list", "tables"}, {"cat", "/proc/mounts"}} {
		for _, line := range strings.Split(output(t, list...), "\n") {
			for _, ours := range []string{cluster.Namespace(""), cluster.Bridge() + " ", cluster.Bridge() + "-", cluster.Home + "/", cluster.RunDir() + "/"} {
				if strings.Contains(line+" ", ours) {
					left = append(left, line)
				}
			}
		}
	}
	if _, err := os.Stat(cluster.RunDir()); err == nil {
		left = append(left, cluster.RunDir())
	}
	cgroups := output(t, "find", "/sys/fs/cgroup", "-maxdepth", "2", "-type", "d", "-name", strings.TrimPrefix(cluster.Cgroup(), "/"))
	return append(left, strings.Fields(cgroups)...)
}

//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"pacific/internal/onemachine/layout"
)

func TestDeletedNamespaceLeavesNothing(t *testing.T) {
	ns := newNamespace(t)
	var ids []string
	for _, host := range layout.HostNames(cluster.instance.Hosts) {
		pod := startShell(t, ns, shell{name: host, script: idle, spec: on(host) + "\nvolumes: [{name: data, emptyDir: {}}]",
			container: "volumeMounts: [{name: data, mountPath: /data}]"})
		ids = append(ids, string(pod.UID))
	}
	deleteNamespace(t, ns)
	for _, host := range layout.HostNames(cluster.instance.Hosts) {
		inv := inventory(t, host)
		text := fmt.Sprint(inv)
		for _, id := range ids {
			if strings.Contains(text, id) {
				t.Errorf("%s still has something of machine %s: %s", host, id, text)
			}
		}
		for _, items := range [][]string{names(inv.Taps), names(inv.Disks), names(inv.Cgroups)} {
			if len(items) > 0 {
				t.Errorf("%s has orphans: %v", host, items)
			}
		}
	}
}

type item interface {
	GetName() string
	GetOwner() string
}

// names of items without an owner.
func names[T item](items []T) []string {
	var orphans []string
	for _, i := range items {
		if i.GetOwner() == "" {
			orphans = append(orphans, i.GetName())
		}
	}
	return orphans
}

func TestADeletedPodsMachineIsGoneBeforeItsObject(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "p", script: idle})
	kubectl(t, "delete", "pod", "-n", ns, "p", "--wait=true")
	for _, m := range inventory(t, pod.Spec.NodeName).Machines {
		if m.Id == string(pod.UID) {
			t.Errorf("the pod is gone, its machine is not: %v", m)
		}
	}
}

func TestGracefulTermination(t *testing.T) {
	ns := newNamespace(t)
	s := shell{name: "p", script: `trap "echo got TERM; exit 0" TERM; echo begun; while :; do sleep 0.1; done`}
	apply(t, ns, strings.Replace(s.manifest(), "terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 300", 1))
	awaitReady(t, ns, "p")
	ctx, cancel := context.WithTimeout(t.Context(), podLimit)
	defer cancel()
	_, out := pipes(t, kubectlCommand(ctx, "logs", "-f", "-n", ns, "p"))
	log := bufio.NewReader(out)
	// From here on the follower is there.
	if first, err := log.ReadString('\n'); first != "begun\n" {
		t.Fatalf("the log begins with %q, %v", first, err)
	}
	kubectl(t, "delete", "pod", "-n", ns, "p", "--wait=true", "--timeout=100s")
	if rest, err := io.ReadAll(log); string(rest) != "got TERM\n" {
		t.Errorf("the container's last words are %q, %v", rest, err)
	}
}

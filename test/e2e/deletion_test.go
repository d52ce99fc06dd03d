//go:build e2e

package e2e

import (
	"fmt"
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
	s := shell{name: "p", script: `trap "echo got TERM; exit 0" TERM; while :; do sleep 0.1; done`}
	apply(t, ns, strings.Replace(s.manifest(), "terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 30", 1))
	awaitReady(t, ns, "p")
	follow := make(chan string, 1)
	go func() { follow <- try(t, "", "logs", "-f", "-n", ns, "p").stdout }()
	kubectl(t, "delete", "pod", "-n", ns, "p", "--wait=true", "--timeout=25s")
	if log := <-follow; !strings.Contains(log, "got TERM") {
		t.Errorf("the container's last words are missing: %q", log)
	}
}

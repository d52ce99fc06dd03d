//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	namespaceapi "pacific/api/namespace"
	nodeapi "pacific/api/node"
)

// Pods over the memory limit of their namespace wait and say so, and start when there is room.
func TestPodsWaitForTheirNamespacesMemory(t *testing.T) {
	t.Parallel()
	const ns = "e2e-memory"
	pacificOutput(t, "namespace", "create", ns)
	t.Cleanup(func() { must(t, pacific(context.Background(), cluster.Home, "namespace", "delete", ns, "--wait")) })
	limitMemory(t, ns, "300")
	// 100 MiB and the overhead of the machine: two have room, three do not.
	for _, name := range []string{"one", "two"} {
		startShell(t, ns, shell{name: name, script: idle, container: "resources: {requests: {memory: 100Mi}}"})
	}
	apply(t, ns, shell{name: "three", script: idle, container: "resources: {requests: {memory: 100Mi}}"}.manifest())
	awaitUnschedulable(t, ns, "three", "namespace "+ns, "300Mi", "272Mi", "136Mi")
	awaitEvent(t, ns, "three", "FailedScheduling", "memory limit of namespace "+ns)

	kubectl(t, "delete", "pod", "-n", ns, "one")
	awaitReady(t, ns, "three")

	apply(t, ns, shell{name: "four", script: idle, container: "resources: {requests: {memory: 500Mi}}"}.manifest())
	awaitUnschedulable(t, ns, "four", "alone needs 536Mi", "raise the limit")
	limitMemory(t, ns, "1024")
	awaitReady(t, ns, "four")
}

// limitMemory sets the limit as an administrator of center does, and waits until the Supervisor has it.
func limitMemory(t *testing.T, namespace, mebibytes string) {
	t.Helper()
	pacificOutput(t, "namespace", "set", namespace, "--memory-limit", mebibytes)
	eventually(t, time.Minute, "limit "+mebibytes, func(ctx context.Context) error {
		ns, err := cluster.client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if err == nil && ns.Annotations[namespaceapi.AnnotationMemoryLimit] != mebibytes+"Mi" {
			err = fmt.Errorf("annotations %v", ns.Annotations)
		}
		return err
	})
}

func awaitUnschedulable(t *testing.T, namespace, name string, parts ...string) {
	t.Helper()
	awaitPod(t, namespace, name, fmt.Sprintf("is unschedulable with %q", parts), func(pod *corev1.Pod) error {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable && containsAll(c.Message, parts) {
				return nil
			}
		}
		return fmt.Errorf("%s", containersText(pod))
	})
}

// Hosts tell what their machines really use, and the scheduler prefers the one that uses little.
func TestPodsGoWhereThereIsLittleLoad(t *testing.T) {
	ns := newNamespace(t)
	// Each host has a pod without requests, so by requests they are alike; two of the pods use all the time that they get. The idle
	// one comes first: a pod that was not measured yet would count against its host.
	start := func(node, script string) {
		startShell(t, ns, shell{name: "on-" + node, script: script, spec: "nodeSelector: {kubernetes.io/hostname: " + node + "}"})
	}
	start("host-2", idle)
	start("host-1", "while :; do :; done")
	start("host-3", "while :; do :; done")
	eventually(t, podLimit, "the load of the busy hosts", func(ctx context.Context) error {
		quiet, err := loadOf(ctx, "host-2")
		if err != nil {
			return err
		}
		for _, node := range []string{"host-1", "host-3"} {
			if busy, err := loadOf(ctx, node); err != nil || busy.CPUMillis < quiet.CPUMillis+100 {
				return fmt.Errorf("%s: %v, host-2: %v, %v", node, busy, quiet, err)
			}
		}
		return nil
	})
	// Of a namespace of its own, so that the spread within the namespace does not decide.
	if pod := startShell(t, newNamespace(t), shell{name: "quiet", script: idle}); pod.Spec.NodeName != "host-2" {
		t.Errorf("the pod went to %s, though only host-2 has nothing to do", pod.Spec.NodeName)
	}
}

// loadOf a host as it says itself.
func loadOf(ctx context.Context, node string) (nodeapi.Load, error) {
	lease, err := cluster.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return nodeapi.Load{}, err
	}
	return nodeapi.ParseLoad(lease.Annotations[nodeapi.AnnotationLoad])
}

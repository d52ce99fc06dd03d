//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// A running pod is looked into, resized, and ended when it writes more than it may.
func TestRunningPodChanges(t *testing.T) {
	ns := newNamespace(t)
	before := startShell(t, ns, shell{name: "p", script: idle,
		spec:      "restartPolicy: Always\nvolumes: [{name: scratch, emptyDir: {sizeLimit: 1Mi}}]",
		container: "resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 200m, memory: 64Mi}}\nvolumeMounts: [{name: scratch, mountPath: /scratch}]"})

	kubectl(t, "debug", "-n", ns, "p", "--image="+image(t, "busybox"), "--target=c", "-c", "debug", "--", "sh", "-c", "cat /proc/1/comm; "+idle)
	awaitPod(t, ns, "p", "has its ephemeral container", func(p *corev1.Pod) error {
		s := p.Status.EphemeralContainerStatuses
		if len(s) == 1 && s[0].State.Running != nil && p.Status.ObservedGeneration == p.Generation {
			return nil
		}
		return fmt.Errorf("its status is %+v", s)
	})
	if out := kubectl(t, "exec", "-n", ns, "p", "-c", "debug", "--", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"); !strings.Contains(out, idle) {
		t.Errorf("the first process that the ephemeral container sees is %q", out)
	}
	if out := kubectl(t, "logs", "-n", ns, "p", "-c", "debug"); out != "sh\n" {
		t.Errorf("its log is %q", out)
	}

	kubectl(t, "patch", "-n", ns, "pod", "p", "--subresource", "resize", "-p",
		`{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"400m","memory":"80Mi"}}}]}}`)
	after := awaitPod(t, ns, "p", "is resized", func(p *corev1.Pod) error {
		c := p.Status.ContainerStatuses[0]
		if c.Resources != nil && c.Resources.Limits.Memory().Value() == 80<<20 && c.Resources.Limits.Cpu().MilliValue() == 400 {
			return nil
		}
		return fmt.Errorf("its resources are %+v, conditions %+v", c.Resources, p.Status.Conditions)
	})
	if out := execIn(t, ns, "p", "cat", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max"); out != "40000 100000\n83886080\n" {
		t.Errorf("limits in the machine: %q", out)
	}
	if now, was := after.Status.ContainerStatuses[0], before.Status.ContainerStatuses[0]; now.ContainerID != was.ContainerID {
		t.Errorf("the container was restarted: %s, %s", was.ContainerID, now.ContainerID)
	}
	kubectl(t, "patch", "-n", ns, "pod", "p", "--subresource", "resize", "-p",
		`{"spec":{"containers":[{"name":"c","resources":{"limits":{"memory":"100Gi"}}}]}}`)
	awaitPod(t, ns, "p", "says that it cannot grow so large", func(p *corev1.Pod) error {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodResizePending && c.Reason == corev1.PodReasonInfeasible {
				return nil
			}
		}
		return fmt.Errorf("its conditions are %+v", p.Status.Conditions)
	})

	execIn(t, ns, "p", "dd", "if=/dev/zero", "of=/scratch/x", "bs=1M", "count=2")
	evicted := awaitPhase(t, ns, "p", corev1.PodFailed)
	if evicted.Status.Reason != "Evicted" || !strings.Contains(evicted.Status.Message, `Usage of EmptyDir volume "scratch" exceeds the limit "1Mi"`) {
		t.Errorf("reason %q, message %q", evicted.Status.Reason, evicted.Status.Message)
	}
}

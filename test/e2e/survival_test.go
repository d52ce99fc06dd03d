//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"pacific/internal/onemachine/layout"
)

// TestPodsDoNotNoticeDeadDaemons kills daemons with SIGKILL while a pod counts in its log.
func TestPodsDoNotNoticeDeadDaemons(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "p", script: counter, spec: on("host-1")})
	machine := machineOf(t, "host-1", string(pod.UID))
	for _, daemons := range [][]string{
		{"host-1-spherelet"}, {"host-1-hostd"}, {"host-1-spherelet", "host-1-hostd"}, {"host-1-dataplane"}, {layout.FirstMember},
	} {
		t.Run(strings.Join(daemons, "+"), func(t *testing.T) {
			killDaemons(t, daemons...)
			eventually(t, 15*time.Second, "right status", func(ctx context.Context) error { return sameRun(ctx, pod) })
			if now := machineOf(t, "host-1", string(pod.UID)); now.Pid != machine.Pid {
				t.Errorf("the machine had process %d, now %d", machine.Pid, now.Pid)
			}
			countsWithoutGap(t, ns, "p")
		})
	}
}

// sameRun checks that the pod is as it was: running, ready, never restarted.
func sameRun(ctx context.Context, before *corev1.Pod) error {
	now, err := getPod(ctx, before.Namespace, before.Name)
	if err != nil {
		return err
	}
	was, is := before.Status.ContainerStatuses[0], now.Status.ContainerStatuses[0]
	if now.Status.Phase != corev1.PodRunning || !is.Ready || is.RestartCount != 0 || is.ContainerID != was.ContainerID {
		return fmt.Errorf("%s: %+v", now.Status.Phase, is)
	}
	if now.Status.PodIP != before.Status.PodIP {
		return fmt.Errorf("the pod's address was %s, now %s", before.Status.PodIP, now.Status.PodIP)
	}
	return nil
}

// countsWithoutGap checks that the log counts from 0 on, and goes on counting.
func countsWithoutGap(t *testing.T, namespace, pod string) {
	t.Helper()
	length := -1
	eventually(t, 20*time.Second, "growing log", func(context.Context) error {
		r := try(t, "", "logs", "-n", namespace, pod)
		if r.exitCode != 0 {
			return fmt.Errorf("%s", r)
		}
		lines := strings.Fields(r.stdout)
		for i, line := range lines {
			if line != strconv.Itoa(i) {
				t.Fatalf("line %d of the log is %q", i, line)
			}
		}
		before := length
		length = len(lines)
		if before < 0 || length <= before {
			return fmt.Errorf("%d lines, before %d", length, before)
		}
		return nil
	})
}

// killMachine kills the VMM of a pod with SIGKILL.
func killMachine(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	machine := machineOf(t, pod.Spec.NodeName, string(pod.UID))
	if err := syscall.Kill(int(machine.Pid), syscall.SIGKILL); err != nil {
		t.Fatalf("kill machine of %s: %v", pod.Name, err)
	}
}

func TestAPodWhoseMachineDiesComesBack(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "p", script: counter})
	killMachine(t, pod)
	now := awaitPod(t, ns, "p", "runs again", func(pod *corev1.Pod) error {
		status := pod.Status.ContainerStatuses[0]
		if status.RestartCount != 1 || !status.Ready {
			return fmt.Errorf("%+v", status)
		}
		return nil
	})
	last := now.Status.ContainerStatuses[0].LastTerminationState.Terminated
	if last == nil || last.Reason == "" || last.Message == "" {
		t.Errorf("the status does not say why: %+v", last)
	}
}

func TestAPodWhoseMachineDiesFailsIfItMayNotRestart(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "p", script: counter, spec: "restartPolicy: Never"})
	killMachine(t, pod)
	now := awaitPhase(t, ns, "p", corev1.PodFailed)
	if end := now.Status.ContainerStatuses[0].State.Terminated; end == nil || end.Reason == "" {
		t.Errorf("the status does not say why: %+v", now.Status.ContainerStatuses[0])
	}
}

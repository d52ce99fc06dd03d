//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/imagebuild"
	"pacific/internal/onemachine/layout"
)

// awaitPullError waits until the pod's container waits for its image with all parts in the message.
func awaitPullError(t *testing.T, ns, name string, parts ...string) {
	t.Helper()
	pod := awaitPod(t, ns, name, fmt.Sprintf("waits for its image, with %q", parts), func(pod *corev1.Pod) error {
		for _, c := range pod.Status.ContainerStatuses {
			w := c.State.Waiting
			if w != nil && slices.Contains([]string{"ErrImagePull", "ImagePullBackOff"}, w.Reason) && containsAll(w.Message, parts) {
				return nil
			}
		}
		return fmt.Errorf("%s", containersText(pod))
	})
	if pod.Spec.NodeName == "" {
		t.Error("the pod is not scheduled")
	}
	eventuallyNoUnmanaged(t)
}

// eventuallyNoUnmanaged waits until no host has a machine that pulls.
func eventuallyNoUnmanaged(t *testing.T) {
	t.Helper()
	for n := 1; n <= cluster.instance.Hosts; n++ {
		host := layout.HostName(n)
		deadline := time.Now().Add(30 * time.Second)
		for slices.ContainsFunc(inventory(t, host).Machines, unmanaged) {
			if time.Now().After(deadline) {
				t.Errorf("%s still has a machine that pulls", host)
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

func unmanaged(m *hostv1.InventoryMachine) bool { return m.GetMode() == "unmanaged" }

func imagePod(name, image string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  containers:\n  - {name: c, image: %q}\n", name, image)
}

func TestUnknownImage(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, imagePod("p", cluster.Registry()+"/no-such-image:1"))
	awaitPullError(t, ns, "p", "no-such-image")
	awaitEvent(t, ns, "p", "fail", "no-such-image")
}

func TestRegistryThatDoesNotAnswer(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, imagePod("p", cluster.Gateway().String()+":5999/x:1"))
	awaitPullError(t, ns, "p", "refused")
}

func TestCorruptImage(t *testing.T) {
	ns := newNamespace(t)
	ref := cluster.Registry() + "/corrupt:1"
	if err := imagebuild.PushCorrupt(t.Context(), ref, cluster.RegistryDir(), cluster.RegistryCA(), nil); err != nil {
		t.Fatal(err)
	}
	apply(t, ns, imagePod("p", ref))
	awaitPullError(t, ns, "p", "digest")
}

func TestImageOfAnotherPlatform(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, imagePod("p", image(t, "other-platform")))
	awaitPullError(t, ns, "p", "amd64")
}

func TestWhatAPodOfItsOwnMachineCannotHave(t *testing.T) {
	ns := newNamespace(t)
	for name, spec := range map[string]string{
		"hostpid":  "hostPID: true",
		"hostipc":  "hostIPC: true",
		"hostpath": "volumes: [{name: v, hostPath: {path: /etc}}]",
	} {
		t.Run(name, func(t *testing.T) {
			apply(t, ns, shell{name: name, script: idle, spec: spec}.manifest())
			awaitEvent(t, ns, name, name)
		})
	}
}

func TestTooLargeAPod(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, shell{name: "p", script: idle, container: "resources: {requests: {memory: 100Ti}}"}.manifest())
	awaitPod(t, ns, "p", "is unschedulable for lack of memory", func(pod *corev1.Pod) error {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonUnschedulable && strings.Contains(c.Message, "Insufficient memory") {
				return nil
			}
		}
		return fmt.Errorf("%+v", pod.Status.Conditions)
	})
}

func TestCommandsThatCannotRun(t *testing.T) {
	ns := newNamespace(t)
	for name, want := range map[string]struct {
		command  string
		exitCode int32
		reasons  []string
	}{
		"missing":        {"[/no/such/program]", 128, []string{"StartError", "ContainerCannotRun"}},
		"not-executable": {"[/etc/passwd]", 128, []string{"StartError", "ContainerCannotRun"}},
		"shell-missing":  {"[sh, -c, no-such-command]", 127, []string{"Error"}},
		"shell-denied":   {"[sh, -c, /etc/passwd]", 126, []string{"Error"}},
	} {
		t.Run(name, func(t *testing.T) {
			apply(t, ns, fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  restartPolicy: Never\n  containers:\n  - {name: c, image: IMAGE:busybox, command: %s}\n", name, want.command))
			pod := awaitPhase(t, ns, name, corev1.PodFailed)
			end := pod.Status.ContainerStatuses[0].State.Terminated
			if end == nil || end.ExitCode != want.exitCode || !slices.Contains(want.reasons, end.Reason) {
				t.Errorf("terminated: %+v", end)
			}
		})
	}
}

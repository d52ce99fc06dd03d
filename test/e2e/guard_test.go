//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/onemachine/layout"
)

// A machine reserves what its pod requests and the overhead, whatever size it has; so a host has many more pods than
// their sizes would let it have.
func TestGuarantees(t *testing.T) {
	ns := newNamespace(t)
	startShell(t, ns, shell{name: "burst", script: idle, container: "resources: {requests: {memory: 20Mi, cpu: 100m}, limits: {memory: 64Mi}}"})
	pod, err := getPod(t.Context(), ns, "burst")
	if err != nil {
		t.Fatal(err)
	}
	if pod.Spec.Overhead != nil || pod.Status.QOSClass != corev1.PodQOSBurstable {
		t.Errorf("overhead %v in the spec, class %s", pod.Spec.Overhead, pod.Status.QOSClass)
	}
	apply(t, ns, shell{name: "huge", script: idle, container: "resources: {requests: {memory: 500Gi}}"}.manifest())
	awaitEvent(t, ns, "huge", "FailedScheduling", "Insufficient memory")
	apply(t, ns, shell{name: "named", script: idle, spec: "runtimeClassName: crx"}.manifest())
	named := awaitReady(t, ns, "named")
	if q := named.Spec.Overhead[corev1.ResourceMemory]; q.IsZero() {
		t.Error("a pod that names the class crx has no overhead")
	}
}

func TestUnknownRuntimeHandler(t *testing.T) {
	ns := newNamespace(t)
	class := "e2e-" + ns
	kubectlWith(t, fmt.Sprintf("apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: %s}\nhandler: runc\n", class), "apply", "-f", "-")
	t.Cleanup(func() {
		if err := cluster.client.NodeV1().RuntimeClasses().Delete(context.Background(), class, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	apply(t, ns, shell{name: "p", script: idle, spec: "runtimeClassName: " + class}.manifest())
	awaitEvent(t, ns, "p", "FailedCreatePodSandBox", `no runtime for "runc" is configured`)
}

func TestPodSecurityAdmission(t *testing.T) {
	ns := newNamespace(t)
	kubectl(t, "label", "namespace", ns, "pod-security.kubernetes.io/enforce=baseline")
	r := try(t, strings.ReplaceAll(imagePod("p", "x:1"), "{name: c,", "{name: c, securityContext: {privileged: true},"), "apply", "-n", ns, "-f", "-")
	if r.exitCode == 0 || !strings.Contains(r.stderr, `violates PodSecurity "baseline:latest"`) {
		t.Errorf("a privileged pod where the baseline is enforced: %s", r)
	}
}

func TestForbiddenSysctl(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, shell{name: "p", script: idle, spec: `securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}`}.manifest())
	pod := awaitPhase(t, ns, "p", corev1.PodFailed)
	if pod.Status.Reason != "SysctlForbidden" || !strings.Contains(pod.Status.Message, `forbidden sysctl: "kernel.msgmax" not allowlisted`) {
		t.Errorf("%s: %s", pod.Status.Reason, pod.Status.Message)
	}
}

// A host that shuts down ends its pods and takes no others; a StatefulSet's pod comes back when the host is in service.
func TestHostShutdown(t *testing.T) {
	ns := newNamespace(t)
	host := layout.HostName(cluster.instance.Hosts)
	startShell(t, ns, shell{name: "old", script: idle, spec: "nodeName: " + host})
	cancelled := false
	cancel := func() {
		if !cancelled {
			cancelled = true
			pacificOutput(t, "host", "shutdown", "--cancel", host)
		}
	}
	defer cancel()
	if out := pacificOutput(t, "host", "shutdown", host); !strings.Contains(out, "all pods have ended") {
		t.Errorf("shutdown says %q", out)
	}
	old := awaitPhase(t, ns, "old", corev1.PodFailed)
	disrupted := slices.ContainsFunc(old.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == corev1.PodReasonTerminationByKubelet
	})
	if old.Status.Reason != "Terminated" || !disrupted {
		t.Errorf("reason %s, conditions %+v", old.Status.Reason, old.Status.Conditions)
	}
	apply(t, ns, shell{name: "new", script: idle, spec: "nodeName: " + host}.manifest())
	if p := awaitPhase(t, ns, "new", corev1.PodFailed); p.Status.Reason != "NodeShutdown" {
		t.Errorf("a new pod on the host: %s: %s", p.Status.Reason, p.Status.Message)
	}
	awaitNode(t, host, corev1.ConditionFalse)
	cancel()
	awaitNode(t, host, corev1.ConditionTrue)
	apply(t, ns, shell{name: "next", script: idle, spec: "nodeName: " + host}.manifest())
	awaitReady(t, ns, "next")
}

func awaitNode(t *testing.T, name string, ready corev1.ConditionStatus) {
	t.Helper()
	eventually(t, podLimit, fmt.Sprintf("node %s with Ready %s", name, ready), func(ctx context.Context) error {
		node, err := cluster.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == ready {
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", node.Status.Conditions)
	})
}

// A port of a host leads to the pod that has it, and no second pod gets it.
func TestHostPort(t *testing.T) {
	ns := newNamespace(t)
	port := "ports: [{containerPort: 8080, hostPort: 31080}]"
	startShell(t, ns, shell{name: "first", script: webScript, spec: on(layout.HostName(1)),
		container: port + "\nreadinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}"})
	url := fmt.Sprintf("http://%s:31080/", cluster.HostAddress(1))
	for n := 1; n <= cluster.instance.Hosts; n++ {
		if r := onHost(t, layout.HostName(n), "curl", "-s", "-m", "10", url); strings.TrimSpace(r.stdout) != "first" {
			t.Errorf("from %s: %s", layout.HostName(n), r)
		}
	}
	apply(t, ns, shell{name: "second", script: idle, spec: on(layout.HostName(1)), container: port}.manifest())
	if p := awaitPhase(t, ns, "second", corev1.PodFailed); p.Status.Reason != "NodePorts" {
		t.Errorf("a second pod with the port: %s: %s", p.Status.Reason, p.Status.Message)
	}
}

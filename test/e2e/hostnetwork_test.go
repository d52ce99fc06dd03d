//go:build e2e

package e2e

import (
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/onemachine/layout"
)

// A pod on its host's network has the host's address, name, ports and entries of /etc/hosts, and is what a Service leads to,
// from its own host too. A volume can be a copy of a file of the host.
func TestHostNetwork(t *testing.T) {
	ns := newNamespace(t)
	host, address := layout.HostName(1), cluster.HostAddress(1)
	web := startShell(t, ns, shell{name: "web", script: webScript, spec: on(host) + "\nhostNetwork: true\n" +
		"volumes: [{name: f, hostPath: {path: /etc/hosts, type: FileOrCreate}}]",
		container: "ports: [{containerPort: 8080}]\nvolumeMounts: [{name: f, mountPath: /etc/hosts-original}]\n" +
			"readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}"})
	if web.Status.PodIP != address.String() || web.Status.HostIP != address.String() {
		t.Errorf("addresses %s, %s; want %s", web.Status.PodIP, web.Status.HostIP, address)
	}
	awaitEvent(t, ns, "web", "HostNetworkForwarded", address.String(), "8080/TCP")
	kubectl(t, "expose", "pod", "web", "-n", ns, "--port=80", "--target-port=8080")
	awaitReadyEndpoints(t, ns, "web", 1)
	service, err := cluster.client.CoreV1().Services(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	urls := []string{"http://" + address.String() + ":8080/", "http://" + service.Spec.ClusterIP + "/"}
	clients := []string{"web"} // itself
	for _, at := range layout.HostNames(cluster.instance.Hosts)[:2] {
		startShell(t, ns, shell{name: "client-" + at, script: idle, spec: on(at)})
		clients = append(clients, "client-"+at)
	}
	for _, url := range urls {
		for _, client := range clients {
			awaitAnswers(t, func() string {
				return strings.TrimSpace(try(t, "", "exec", "-n", ns, client, "--", "timeout", "10", "wget", "-qO-", url).stdout)
			}, host)
		}
		for n := 1; n <= cluster.instance.Hosts; n++ {
			awaitAnswers(t, func() string { return strings.TrimSpace(onHost(t, layout.HostName(n), "curl", "-sm5", url).stdout) }, host)
		}
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	if got := execIn(t, ns, "web", "cat", "/etc/hosts"); strings.TrimSpace(got) != strings.TrimSpace("# Kubernetes-managed hosts file (host network).\n"+string(hosts)) {
		t.Errorf("/etc/hosts is %q", got)
	}
	if got := execIn(t, ns, "web", "cat", "/etc/hosts-original"); strings.TrimSpace(got) != strings.TrimSpace(string(hosts)) {
		t.Errorf("the copy of the host's file is %q", got)
	}
	if r := try(t, "", "exec", "-n", ns, "web", "--", "sh", "-c", "echo >> /etc/hosts-original"); r.exitCode == 0 {
		t.Error("the copy of the host's file can be written to")
	}
	apply(t, ns, shell{name: "thief", script: idle, spec: on(host), container: "ports: [{containerPort: 80, hostPort: 7443}]"}.manifest())
	if p := awaitPhase(t, ns, "thief", corev1.PodFailed); p.Status.Reason != "NotSupported" || !strings.Contains(p.Status.Message, "hostd") {
		t.Errorf("a pod with the port of hostd: %s: %s", p.Status.Reason, p.Status.Message)
	}
	kubectl(t, "label", "namespace", ns, "pod-security.kubernetes.io/enforce=baseline")
	for _, spec := range []string{"hostNetwork: true", "volumes: [{name: f, hostPath: {path: /etc/hosts}}]"} {
		manifest := strings.ReplaceAll(shell{name: "baseline", script: idle, spec: spec}.manifest(), "IMAGE:", "x/")
		if r := try(t, manifest, "apply", "-n", ns, "-f", "-"); r.exitCode == 0 || !strings.Contains(r.stderr, `violates PodSecurity "baseline`) {
			t.Errorf("%s in a namespace of level baseline: %s", spec, r)
		}
	}
}

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"pacific/internal/onemachine/layout"
)

func TestPodIsAMachine(t *testing.T) {
	ns := newNamespace(t)
	pod := startShell(t, ns, shell{name: "p", script: idle})
	if kernel := strings.TrimSpace(execIn(t, ns, "p", "uname", "-r")); !strings.Contains(kernel, "crx") {
		t.Errorf("kernel is %q", kernel)
	}
	if cmdline := execIn(t, ns, "p", "cat", "/proc/cmdline"); !strings.Contains(cmdline, "crx.personality=agent") {
		t.Errorf("command line is %q", cmdline)
	}
	machine := machineOf(t, pod.Spec.NodeName, string(pod.UID))
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", machine.Pid))
	if err != nil || !strings.Contains(string(command), "qemu-system") {
		t.Errorf("process %d is %q, %v", machine.Pid, command, err)
	}
	if machine.Type != "crx" || machine.Mode != "managed" || machine.Personality != "agent" {
		t.Errorf("inventory: %v", machine)
	}
	for n := 1; n <= cluster.instance.Hosts; n++ {
		for _, m := range inventory(t, layout.HostName(n)).Machines {
			if m.Id == string(pod.UID) && layout.HostName(n) != pod.Spec.NodeName {
				t.Errorf("the pod also has a machine on %s", layout.HostName(n))
			}
		}
	}
}

func TestContainersOfAPodShareNetworkAndIPC(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: a
    image: IMAGE:busybox
    command: [sh, -c, "echo of-a > /file; mkdir /www; echo hello-from-a > /www/index.html; httpd -f -p 127.0.0.1:8000 -h /www"]
  - name: b
    image: IMAGE:busybox
    command: [sh, -c, "trap exit TERM; while :; do sleep 1; done"]
`)
	awaitReady(t, ns, "p")
	if out := kubectl(t, "exec", "-n", ns, "p", "-c", "b", "--", "wget", "-qO-", "http://127.0.0.1:8000/"); out != "hello-from-a\n" {
		t.Errorf("b reads %q from a", out)
	}
	if r := try(t, "", "exec", "-n", ns, "p", "-c", "b", "--", "cat", "/file"); r.exitCode == 0 {
		t.Error("b sees the file of a")
	}
	ipc := func(c string) string {
		return kubectl(t, "exec", "-n", ns, "p", "-c", c, "--", "readlink", "/proc/self/ns/ipc")
	}
	if ipc("a") != ipc("b") {
		t.Error("a and b have IPC namespaces of their own")
	}
}

func TestImageOfEveryKindOfEntry(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  restartPolicy: Never
  containers:
  - {name: c, image: "IMAGE:torture", env: [{name: EXIT_CODE, value: "7"}]}
`)
	pod := awaitPhase(t, ns, "p", corev1.PodFailed)
	if code := pod.Status.ContainerStatuses[0].State.Terminated.ExitCode; code != 7 {
		t.Errorf("exit code %d", code)
	}
	log := kubectl(t, "logs", "-n", ns, "p")
	for _, part := range []string{"uid=1001(app) gid=1002(app)", "/srv\n", "GREETING=hello world\n", "arguments: one two words\n", "readme"} {
		if !strings.Contains(log, part) {
			t.Errorf("the log lacks %q:\n%s", part, log)
		}
	}
}

func TestFilesOfLayers(t *testing.T) {
	ns := newNamespace(t)
	apply(t, ns, `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: "IMAGE:torture", command: [sh, -c, "trap exit TERM USR1; while :; do sleep 1; done"]}
`)
	awaitReady(t, ns, "p")
	for script, want := range map[string]string{
		"stat -c '%a %u:%g' /gone-file":                   "600 1001:1002",
		"ls /gone-dir | wc -l":                            "0",
		"ls /opaque":                                      "new",
		"stat -c %a /bin/setuid":                          "4755",
		"stat -c %h /links/one":                           "3",
		"readlink /links/relative":                        "one",
		"cat /links/three":                                "the same file",
		"test -f /becomes-file && cat /becomes-dir/inner": "inner",
		"ls /becomes-real":                                "own",
		"stat -c '%a %u:%g' /attributes":                  "2775 12:34",
		"cat /volume/seed":                                "seed",
		"touch /srv/mine && stat -c %u:%g /srv/mine":      "1001:1002",
		"touch /not-mine 2>/dev/null || echo not allowed": "not allowed",
	} {
		if got := strings.TrimSpace(execIn(t, ns, "p", "sh", "-c", script)); got != want {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}

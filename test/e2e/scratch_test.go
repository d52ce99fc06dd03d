//go:build e2e

package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"pacific/internal/onemachine/layout"
)

// What a pod leaves in a hostPath directory below /tmp is there for the next pod of its node, and for no other node's.
func TestFilesForLaterPods(t *testing.T) {
	ns := newNamespace(t)
	pod := func(name, node, script string) {
		apply(t, ns, shell{name: name, script: script, container: "volumeMounts: [{name: d, mountPath: /data}]",
			spec: on(node) + "\nrestartPolicy: Never\nvolumes: [{name: d, hostPath: {path: /tmp/" + ns + "/d, type: DirectoryOrCreate}}]"}.manifest())
	}
	first, second := layout.HostName(1), layout.HostName(2)
	pod("writes", first, "mkdir -m 700 /data/sub && echo left > /data/sub/f && chmod 640 /data/sub/f && chown 7:8 /data/sub/f; exit 1")
	awaitPhase(t, ns, "writes", corev1.PodFailed)
	awaitEvent(t, ns, "writes", "HostPathCopied", "not a directory of the host")
	pod("reads", first, `[ "$(stat -c %a:%u:%g /data/sub/f)" = 640:7:8 ] && [ "$(cat /data/sub/f)" = left ] && rm -r /data/sub`)
	pod("elsewhere", second, `[ -z "$(ls -A /data)" ]`)
	awaitPhase(t, ns, "reads", corev1.PodSucceeded)
	awaitPhase(t, ns, "elsewhere", corev1.PodSucceeded)
	pod("finds-none", first, `[ -z "$(ls -A /data)" ]`)
	awaitPhase(t, ns, "finds-none", corev1.PodSucceeded)
	kubectl(t, "label", "namespace", ns, "pod-security.kubernetes.io/enforce=baseline")
	manifest := shell{name: "baseline", script: idle, spec: "volumes: [{name: d, hostPath: {path: /tmp/d}}]"}.manifest()
	if r := try(t, strings.ReplaceAll(manifest, "IMAGE:", "x/"), "apply", "-n", ns, "-f", "-"); r.exitCode == 0 || !strings.Contains(r.stderr, `violates PodSecurity "baseline`) {
		t.Errorf("in a namespace of level baseline: %s", r)
	}
}

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/imagebuild"
)

var pushed sync.Map // image name -> *sync.Once

// image makes sure that one of the tests' images is in the registry and returns its reference.
func image(t *testing.T, name string) string {
	t.Helper()
	ref := fmt.Sprintf("%s/%s:1", cluster.Registry(), name)
	once, _ := pushed.LoadOrStore(name, &sync.Once{})
	once.(*sync.Once).Do(func() {
		in := imagebuild.Inputs{Busybox: "/bin/busybox", Web: filepath.Join(cluster.bin, "examples", "web")}
		img, err := imagebuild.Build(t.Context(), name, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := imagebuild.Push(t.Context(), ref, img, cluster.RegistryCA(), nil); err != nil {
			t.Fatal(err)
		}
	})
	return ref
}

// newNamespace makes a namespace that is gone when the test ends.
func newNamespace(t *testing.T) string {
	t.Helper()
	ns, err := cluster.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			// What failed is still there for whoever looks at a kept instance.
			t.Logf("the test's namespace was %s", ns.Name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := cluster.client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("delete namespace %s: %v", ns.Name, err)
		}
	})
	// The account is made by a controller, and no pod is admitted before.
	eventually(t, time.Minute, "service account of namespace "+ns.Name, func(ctx context.Context) error {
		_, err := cluster.client.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	return ns.Name
}

// deleteNamespace deletes a namespace and waits for its end.
func deleteNamespace(t *testing.T, name string) {
	t.Helper()
	if err := cluster.client.CoreV1().Namespaces().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, podLimit, "end of namespace "+name, func(ctx context.Context) error {
		ns, err := cluster.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is still there: %v, %v", err, ns.Status.Conditions)
	})
}

// apply applies a manifest; IMAGE:name in it stands for the reference of a test image.
func apply(t *testing.T, namespace, manifest string) {
	t.Helper()
	for {
		before, rest, found := strings.Cut(manifest, "IMAGE:")
		if !found {
			break
		}
		end := strings.IndexAny(rest+"\n", "\n ,}\"")
		manifest = before + image(t, rest[:end]) + rest[end:]
	}
	kubectlWith(t, manifest, "apply", "-n", namespace, "-f", "-")
}

// shell is a pod whose only container, c, runs a script of the busybox image. spec holds more lines of the pod's spec,
// container more lines of the container.
type shell struct {
	name, script, spec, container string
}

func (s shell) manifest() string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  labels: {app: %s}\nspec:\n  terminationGracePeriodSeconds: 1\n", s.name, s.name)
	b.WriteString(indent(s.spec, "  "))
	b.WriteString("  containers:\n  - name: c\n    image: IMAGE:busybox\n")
	b.WriteString(indent(s.container, "    "))
	fmt.Fprintf(&b, "    command: [sh, -c, %q]\n", s.script)
	return b.String()
}

func indent(lines, by string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.Trim(lines, "\n")) {
		b.WriteString(by + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}

// idle is a script that does nothing and ends at SIGTERM.
const idle = "trap exit TERM; while :; do sleep 1; done"

// counter is a script that logs numbers, five a second.
const counter = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.2; done"

// startShell runs the pod and waits until it is Ready.
func startShell(t *testing.T, namespace string, s shell) *corev1.Pod {
	t.Helper()
	apply(t, namespace, s.manifest())
	return awaitReady(t, namespace, s.name)
}

// exec runs a command in the pod's first container and returns its output.
func execIn(t *testing.T, namespace, pod string, command ...string) string {
	t.Helper()
	return kubectl(t, append([]string{"exec", "-n", namespace, pod, "--"}, command...)...)
}

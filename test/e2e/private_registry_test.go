//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"

	"pacific/internal/imagebuild"
	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
	"pacific/internal/registry"
)

// privateRegistry serves the image busybox to anna, with the password secret, until stop is called or the test ends.
func privateRegistry(t *testing.T) (ref, address string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "htpasswd"), []byte("anna:"+string(hash)+"\n"), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	handler, err := registry.New(ctx, registry.Config{DataDir: filepath.Join(dir, "data"), Htpasswd: filepath.Join(dir, "htpasswd")})
	must(t, err)
	serving := cluster.RegistryServing()
	config, err := pki.ServerConfig(serving.Cert, serving.Key, "")
	must(t, err)
	listener, err := net.Listen("tcp", net.JoinHostPort(cluster.Gateway().String(), "0"))
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		registry.Serve(ctx, listener, config, handler)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	address = listener.Addr().String()
	trust(t, address)
	ref = address + "/busybox:1"
	img, err := imagebuild.Build(t.Context(), "busybox", imagebuild.Inputs{Busybox: "/bin/busybox"})
	must(t, err)
	must(t, imagebuild.Push(t.Context(), ref, img, cluster.RegistryCA(), authn.FromConfig(authn.AuthConfig{Username: "anna", Password: "secret"})))
	return ref, address, stop
}

// trust configures the registry for the hosts and the supervisor.
func trust(t *testing.T, address string) {
	t.Helper()
	dir := filepath.Join(cluster.RegistryConfig(), address)
	must(t, os.MkdirAll(dir, 0o755))
	t.Cleanup(func() { os.RemoveAll(dir) })
	ca, err := os.ReadFile(cluster.RegistryCA())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPrivateRegistry: pull secrets let in whom they shall, an image that one namespace pulled with its secret is not for
// others, and what a host has can be used while the registry is away.
func TestPrivateRegistry(t *testing.T) {
	ref, address, stop := privateRegistry(t)
	ns, other := newNamespace(t), newNamespace(t)
	secret := func(ns, name, password string) {
		kubectl(t, "create", "secret", "docker-registry", name, "-n", ns,
			"--docker-server="+address, "--docker-username=anna", "--docker-password="+password)
	}
	secret(ns, "right", "secret")
	secret(ns, "wrong", "wrong")
	run := func(ns, name, secret, policy string) {
		apply(t, ns, fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  nodeName: %s
  terminationGracePeriodSeconds: 1
  imagePullSecrets: [{name: %q}]
  containers:
  - {name: c, image: %q, imagePullPolicy: %s, command: [sh, -c, %q]}
`, name, layout.HostName(1), secret, ref, policy, idle))
	}
	run(ns, "wrong", "wrong", "IfNotPresent")
	run(ns, "right", "right", "IfNotPresent")
	awaitPullError(t, ns, "wrong", "unauthorized")
	awaitReady(t, ns, "right")

	run(other, "none", "missing", "IfNotPresent")
	run(other, "never", "missing", "Never")
	awaitPullError(t, other, "none", "unauthorized")
	awaitEvent(t, other, "none", "FailedToRetrieveImagePullSecret", "missing")
	awaitPod(t, other, "never", "is told that the image is not there", func(pod *corev1.Pod) error {
		for _, c := range pod.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Reason == "ErrImageNeverPull" {
				return nil
			}
		}
		return fmt.Errorf("%s", containersText(pod))
	})

	stop()
	run(ns, "cached", "right", "IfNotPresent")
	awaitReady(t, ns, "cached")
	awaitEvent(t, ns, "cached", "Pulled", "already present on machine")
}

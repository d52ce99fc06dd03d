//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// govc is govmomi's command line tool, which knows nothing of Pacific.
type govc struct {
	*testing.T
	program string
	env     []string
}

func newGovc(t *testing.T) govc {
	t.Helper()
	g := govc{T: t, program: filepath.Join(t.TempDir(), "govc")}
	if out, err := exec.Command("go", "build", "-o", g.program, "pacific/test/govc").CombinedOutput(); err != nil {
		t.Fatalf("build govc: %v\n%s", err, out)
	}
	center := status(t).Center
	password, err := os.ReadFile(center.PasswordFile)
	must(t, err)
	g.env = append(os.Environ(), "GOVC_URL="+center.URL, "GOVC_USERNAME="+center.Username, "GOVC_PASSWORD="+strings.TrimSpace(string(password)),
		"GOVC_TLS_CA_CERTS="+center.CA, "GOVMOMI_HOME="+t.TempDir())
	return g
}

func (g govc) try(args ...string) (string, error) {
	cmd := exec.Command(g.program, args...)
	cmd.Env = g.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (g govc) run(args ...string) string {
	g.Helper()
	out, err := g.try(args...)
	if err != nil {
		g.Fatalf("govc %v: %v\n%s", args, err, out)
	}
	return out
}

// fails demands an error that says so.
func (g govc) fails(want string, args ...string) {
	g.Helper()
	if out, err := g.try(args...); err == nil || !strings.Contains(out, want) {
		g.Errorf("govc %v: got %v %s; want an error with %q", args, err, out, want)
	}
}

func TestGovc(t *testing.T) {
	g := newGovc(t)
	eventually(t, time.Minute, "a Supervisor that is ready", func(context.Context) error {
		if out := g.run("namespace.cluster.ls", "-l"); !strings.Contains(out, "RUNNING") || !strings.Contains(out, "READY") {
			return fmt.Errorf("got %s", out)
		}
		return nil
	})
	g.run("namespace.vmclass.create", "-cpus=2", "-memory=2048", "e2e-class")
	if out := g.run("namespace.vmclass.info", "e2e-class"); !strings.Contains(out, "2.0GB") {
		t.Errorf("class: %s", out)
	}
	g.run("namespace.vmclass.update", "-cpus=4", "-memory=4096", "e2e-class")
	if out := g.run("namespace.vmclass.info", "e2e-class"); !strings.Contains(out, "4.0GB") {
		t.Errorf("class: %s", out)
	}
	g.fails("404", "namespace.info", "none")
	g.run("namespace.create", "-cluster=cluster-1", "-vmclass=e2e-class", "e2e-govc")
	g.fails("ALREADY_EXISTS", "namespace.create", "-cluster=cluster-1", "e2e-govc")
	eventually(t, time.Minute, "a namespace that runs", func(context.Context) error {
		if out := g.run("namespace.info", "e2e-govc"); !strings.Contains(out, "RUNNING") {
			return fmt.Errorf("got %s", out)
		}
		return nil
	})
	if out := g.run("namespace.ls"); !strings.Contains(out, "e2e-govc") {
		t.Errorf("list: %s", out)
	}
	if out := kubectl(t, "get", "namespace", "e2e-govc", "-o", "jsonpath={.metadata.labels.vSphereClusterID}"); out != "domain-c1" {
		t.Errorf("label: %q", out)
	}
	g.run("namespace.update", "-vmclass=best-effort-small", "e2e-govc")
	g.run("namespace.rm", "e2e-govc")
	eventually(t, time.Minute, "no namespace", func(context.Context) error {
		if out, err := g.try("namespace.info", "e2e-govc"); err == nil {
			return fmt.Errorf("got %s", out)
		}
		return nil
	})
	g.run("namespace.vmclass.rm", "e2e-class")
	g.fails("404", "namespace.vmclass.info", "e2e-class")
}

const devPassword = "Quiet-Harbor-71!"

// TestSignIn makes a user, gives him a namespace, signs him in as the original's plugin does, and takes it from him.
func TestSignIn(t *testing.T) {
	const namespace, user = "e2e-signin", "dev1@pacific.local"
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	must(t, os.WriteFile(password, []byte(devPassword), 0o600))
	pacificOutput(t, "center", "user", "create", "dev1", "--new-password-file", password)
	t.Cleanup(func() { must(t, pacific(context.Background(), cluster.Home, "center", "user", "delete", "dev1")) })
	pacificOutput(t, "namespace", "create", namespace)
	t.Cleanup(func() {
		must(t, pacific(context.Background(), cluster.Home, "namespace", "delete", namespace, "--wait"))
	})
	pacificOutput(t, "namespace", "access", "set", namespace, user, "--role", "edit")

	kubeconfig := filepath.Join(dir, "kubeconfig")
	as := func(args ...string) (string, error) {
		cmd := exec.Command(filepath.Join(cluster.bin, "kubectl"), args...)
		cmd.Env = append(os.Environ(), "PATH="+cluster.bin+":"+os.Getenv("PATH"), "KUBECONFIG="+kubeconfig, "KUBECTL_VSPHERE_PASSWORD="+devPassword, "HOME="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	eventually(t, time.Minute, "a context for the namespace", func(context.Context) error {
		if out, err := as("vsphere", "login", "--server="+cluster.SupervisorAddress().String(), "--vsphere-username="+user, "--insecure-skip-tls-verify"); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if out, _ := as("config", "get-contexts", "-o", "name"); !strings.Contains(out, namespace) {
			return fmt.Errorf("contexts: %s", out)
		}
		return nil
	})
	can := func(want string, args ...string) func(context.Context) error {
		return func(context.Context) error {
			out, _ := as(append([]string{"--context", namespace, "auth", "can-i"}, args...)...) // "no" is an error
			if strings.TrimSpace(out) != want {
				return fmt.Errorf("can-i %v: %s", args, out)
			}
			return nil
		}
	}
	eventually(t, 30*time.Second, "the right to edit", can("yes", "create", "pods"))
	must(t, can("no", "create", "rolebindings")(t.Context()))
	must(t, can("no", "get", "pods", "-n", "kube-system")(t.Context()))
	pacificOutput(t, "namespace", "access", "rm", namespace, user)
	eventually(t, 10*time.Second, "no right any more, with the same token", can("no", "get", "pods"))
	if data, err := os.ReadFile(kubeconfig); err != nil || strings.Contains(string(data), devPassword) {
		t.Errorf("the kubeconfig holds the password: %v", err)
	}
	for _, daemon := range status(t).Daemons {
		if data, err := os.ReadFile(daemon.Log); err == nil && strings.Contains(string(data), devPassword) {
			t.Errorf("the password stands in %s", daemon.Log)
		}
	}
}

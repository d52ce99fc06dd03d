//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"pacific/internal/pki"
)

const (
	gateway      = "10.177.7.1"
	controlPlane = "10.177.7.2"
	server       = "https://" + controlPlane + ":6443"
)

// lab is a switch (a namespace with a bridge, which is also the outside world), a control plane and hosts, each a network
// namespace with an eth0. Nothing of it touches the namespace that the test runs in.
type lab struct {
	root   *testing.T // processes and namespaces last as long as it
	t      *testing.T // the step under way
	ctx    context.Context
	id     string
	dir    string
	bin    string
	client kubernetes.Interface
	hosts  []*host
}

type host struct {
	lab       *lab
	name      string // of the node and, with the lab's id, of the namespace
	address   string
	plane     bool // control plane
	dataplane *exec.Cmd
}

func newLab(t *testing.T, hosts int) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test makes network namespaces: run it as root")
	}
	bin, err := filepath.Abs("../../../bin")
	check(t, err)
	if dir := os.Getenv("PACIFIC_BIN"); dir != "" {
		bin = dir
	}
	l := &lab{t: t, root: t, id: fmt.Sprintf("dp%d", os.Getpid()), dir: t.TempDir(), bin: bin}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	l.ctx = ctx

	l.namespace(l.ns("sw"))
	l.in("sw", "ip link add br0 type bridge")
	l.in("sw", "ip addr add "+gateway+"/24 dev br0")
	l.in("sw", "ip link set br0 up")
	l.addHost(&host{lab: l, name: "cp", address: controlPlane, plane: true})
	for i := 1; i <= hosts; i++ {
		l.addHost(&host{lab: l, name: fmt.Sprintf("host-%d", i), address: fmt.Sprintf("10.177.7.%d", 10+i)})
	}
	return l
}

func (l *lab) ns(name string) string { return l.id + "-" + name }

func (l *lab) namespace(name string) {
	l.run("ip", "netns", "add", name)
	l.root.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	l.run("ip", "-n", name, "link", "set", "lo", "up")
}

func (l *lab) addHost(h *host) {
	l.namespace(l.ns(h.name))
	l.in("sw", fmt.Sprintf("ip link add %s type veth peer name eth0 netns %s", h.name, l.ns(h.name)))
	l.in("sw", fmt.Sprintf("ip link set %s master br0 up", h.name))
	l.in(h.name, fmt.Sprintf("ip addr add %s/24 dev eth0", h.address))
	l.in(h.name, "ip link set eth0 up")
	l.in(h.name, "ip route add default via "+gateway)
	l.in(h.name, "sysctl -qw net.ipv4.conf.all.rp_filter=1") // as on a hardened host
	l.hosts = append(l.hosts, h)
}

func (l *lab) host(name string) *host {
	for _, h := range l.hosts {
		if h.name == name {
			return h
		}
	}
	l.t.Fatalf("no host %s", name)
	return nil
}

// in runs a command in a namespace of the lab and returns its output.
func (l *lab) in(name, command string) string {
	l.t.Helper()
	return l.run("ip", append([]string{"netns", "exec", l.ns(name)}, strings.Fields(command)...)...)
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// daemon starts a program of ours in a namespace; it is killed at the end of the test.
func (l *lab) daemon(namespace, log string, args ...string) *exec.Cmd {
	l.t.Helper()
	file, err := os.OpenFile(filepath.Join(l.dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(l.t, err)
	defer file.Close()
	args[0] = filepath.Join(l.bin, args[0])
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.ns(namespace)}, args...)...)
	cmd.Stdout, cmd.Stderr = file, file
	check(l.t, cmd.Start())
	l.root.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if l.root.Failed() {
			tail, _ := exec.Command("tail", "-n", "25", file.Name()).Output()
			l.root.Logf("end of %s:\n%s", log, tail)
		}
	})
	return cmd
}

// startSupervisor starts the control plane and waits until it answers.
func (l *lab) startSupervisor() {
	l.t.Helper()
	ca, err := pki.LoadOrCreateCA(l.path("host-ca.crt"), l.path("host-ca.key"), "host-ca")
	check(l.t, err)
	_, err = ca.Ensure(pki.Leaf{CertFile: l.path("host.crt"), KeyFile: l.path("host.key"), CommonName: "image-controller", Client: true})
	check(l.t, err)
	check(l.t, os.MkdirAll(l.path("registry"), 0o700))
	l.daemon("cp", "supervisor.log", "supervisor", "--data-dir", l.path("supervisor"), "--advertise-address", controlPlane,
		"--host-ca", l.path("host-ca.crt"), "--host-cert", l.path("host.crt"), "--host-key", l.path("host.key"),
		"--registry-config", l.path("registry"))
	l.waitFor("the control plane", func() bool {
		if _, err := os.Stat(l.path("supervisor/admin.kubeconfig")); err != nil { // the certificates are there before it
			return false
		}
		if l.client == nil {
			l.client = l.connect(l.kubeconfig("admin", "kubernetes-admin", "system:masters"))
		}
		body, err := l.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(l.ctx)
		return err == nil && string(body) == "ok"
	})
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// kubeconfig makes an identity that the Supervisor's certificate authority signed.
func (l *lab) kubeconfig(file, user, group string) string {
	l.t.Helper()
	ca, err := pki.LoadOrCreateCA(l.path("supervisor/pki/ca.crt"), l.path("supervisor/pki/ca.key"), "")
	check(l.t, err)
	_, err = ca.Ensure(pki.Leaf{CertFile: l.path(file + ".crt"), KeyFile: l.path(file + ".key"),
		CommonName: user, Organizations: []string{group}, Client: true})
	check(l.t, err)
	config := clientcmdapi.NewConfig()
	config.Clusters["lab"] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: l.path("supervisor/pki/ca.crt")}
	config.AuthInfos["lab"] = &clientcmdapi.AuthInfo{ClientCertificate: l.path(file + ".crt"), ClientKey: l.path(file + ".key")}
	config.Contexts["lab"] = &clientcmdapi.Context{Cluster: "lab", AuthInfo: "lab"}
	config.CurrentContext = "lab"
	path := l.path(file + ".kubeconfig")
	check(l.t, clientcmd.WriteToFile(*config, path))
	return path
}

// connect makes a client that dials from inside the control plane's namespace.
func (l *lab) connect(kubeconfig string) kubernetes.Interface {
	l.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(l.t, err)
	config.QPS, config.Burst = 500, 1000
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) { return l.dial("cp", address) }
	client, err := kubernetes.NewForConfig(config)
	check(l.t, err)
	return client
}

func (h *host) startDataplane() {
	h.lab.t.Helper()
	kubeconfig := h.lab.kubeconfig("dataplane-"+h.name, "pacific:dataplane:"+h.name, "pacific:dataplanes")
	args := []string{"dataplane", "--node-name", h.name, "--node-ip", h.address, "--kubeconfig", kubeconfig,
		"--interface", "eth0", "--health-address", "127.0.0.1:10249", "-v", "2"}
	if h.plane {
		args = append(args, "--control-plane")
	}
	h.dataplane = h.lab.daemon(h.name, "dataplane-"+h.name+".log", args...)
}

// healthy waits until the dataplane has brought the kernel to the desired state.
func (h *host) healthy() {
	h.lab.t.Helper()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return h.lab.dial(h.name, "127.0.0.1:10249") },
	}}
	h.lab.waitFor("the dataplane of "+h.name, func() bool {
		response, err := client.Get("http://dataplane/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (h *host) kill9() {
	h.lab.t.Helper()
	check(h.lab.t, h.dataplane.Process.Kill())
	h.dataplane.Wait()
}

// terminate ends the dataplane as an operator does.
func (h *host) terminate() {
	h.lab.t.Helper()
	check(h.lab.t, h.dataplane.Process.Signal(syscall.SIGTERM))
	if err := h.dataplane.Wait(); err != nil {
		h.lab.t.Errorf("the dataplane of %s does not end with 0 on SIGTERM: %v", h.name, err)
	}
}

func (l *lab) dial(name, address string) (conn net.Conn, err error) {
	l.inside(name, func() { conn, err = net.DialTimeout("tcp", address, 3*time.Second) })
	return conn, err
}

func (l *lab) listen(name, address string) net.Listener {
	l.t.Helper()
	var listener net.Listener
	var err error
	l.inside(name, func() { listener, err = net.Listen("tcp", address) })
	check(l.t, err)
	l.t.Cleanup(func() { listener.Close() })
	return listener
}

// inside runs f on a thread that is in the namespace. A thread that cannot return is left to die with its goroutine.
func (l *lab) inside(name string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			panic(err)
		}
		defer home.Close()
		there, err := netns.GetFromName(l.ns(name))
		if err != nil {
			panic(err)
		}
		defer there.Close()
		if err := netns.Set(there); err != nil {
			panic(err)
		}
		f()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
}

// waitFor polls: what the test looks at from outside sends no events.
func (l *lab) waitFor(what string, condition func() bool) {
	l.t.Helper()
	start := time.Now()
	for !condition() {
		if time.Since(start) > 90*time.Second || l.ctx.Err() != nil {
			l.t.Fatalf("%s: not so after %v", what, time.Since(start))
		}
		time.Sleep(20 * time.Millisecond)
	}
	l.t.Logf("%s: %v", what, time.Since(start).Round(time.Millisecond))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

//go:build e2e

package namespaces

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"k8s.io/client-go/kubernetes"
	clientrest "k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	namespaceapi "pacific/api/namespace"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/pki"
)

const (
	supervisorBinary = "../../../bin/supervisor" // `make bin/supervisor` builds it
	supervisorIP     = "10.250.0.2"
	inNamespace      = "PACIFIC_TEST_NETNS"
)

// TestMain runs the tests in a network namespace, so that they need no free address and leave nothing behind.
func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) != "" {
		if err := network(); err != nil {
			fmt.Fprintln(os.Stderr, "network of the test:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	command := exec.Command("/proc/self/exe", os.Args[1:]...)
	command.Env = append(os.Environ(), inNamespace+"=1")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := command.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		fmt.Fprintln(os.Stderr, "network namespace for the test (are you root?):", err)
		os.Exit(1)
	}
	os.Exit(command.ProcessState.ExitCode())
}

func network() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	address, err := netlink.ParseAddr(supervisorIP + "/32")
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetUp(lo), netlink.AddrAdd(lo, address))
}

// supervisorProcess is a real Supervisor.
type supervisorProcess struct {
	t       *testing.T
	dir     string
	command *exec.Cmd
	config  *clientrest.Config // of center
}

func startSupervisor(t *testing.T) *supervisorProcess {
	t.Helper()
	s := &supervisorProcess{t: t, dir: t.TempDir()}
	ca, err := hostpki.LoadOrCreateCA(s.file("host-ca.crt"), s.file("host-ca.key"), "hosts")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Ensure(hostpki.Leaf{CertFile: s.file("c.crt"), KeyFile: s.file("c.key"), CommonName: "image-controller", Client: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.command != nil {
			s.kill()
		}
	})
	s.start()
	s.config = s.centerConfig()
	return s
}

func (s *supervisorProcess) file(name string) string { return filepath.Join(s.dir, name) }

func (s *supervisorProcess) start() {
	s.t.Helper()
	s.command = exec.Command(supervisorBinary, "--data-dir", s.file("data"), "--advertise-address", supervisorIP,
		"--host-ca", s.file("host-ca.crt"), "--host-cert", s.file("c.crt"), "--host-key", s.file("c.key"), "--registry-config", s.dir)
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := s.command.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		s.t.Fatalf("%v: run `make bin/supervisor` first", err)
	}
	ready, ended := make(chan struct{}), make(chan string, 1)
	go follow(stderr, ready, ended)
	select {
	case <-ready:
	case tail := <-ended:
		s.t.Fatalf("the supervisor ended:\n%s", tail)
	case <-time.After(3 * time.Minute):
		s.t.Fatal("the supervisor is not ready within 3 minutes")
	}
}

func follow(stderr io.Reader, ready chan<- struct{}, ended chan<- string) {
	var lines []string
	var once sync.Once
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		lines = append(lines[max(0, len(lines)-30):], scanner.Text())
		if strings.Contains(scanner.Text(), "All components are ready") {
			once.Do(func() { close(ready) })
		}
	}
	ended <- strings.Join(lines, "\n")
}

func (s *supervisorProcess) kill() {
	s.t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = s.command.Wait()
	s.command = nil
}

// centerConfig acts as center, by a certificate of the Supervisor's authority.
func (s *supervisorProcess) centerConfig() *clientrest.Config {
	s.t.Helper()
	layout := pki.Layout{DataDir: s.file("data")}
	ca, err := hostpki.LoadCA(layout.Cert(pki.CA), layout.Key(pki.CA))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := ca.Ensure(hostpki.Leaf{CertFile: s.file("center.crt"), KeyFile: s.file("center.key"), CommonName: namespaceapi.UserCenter, Client: true}); err != nil {
		s.t.Fatal(err)
	}
	return &clientrest.Config{
		Host:            "https://" + net.JoinHostPort(supervisorIP, "6443"),
		TLSClientConfig: clientrest.TLSClientConfig{CAFile: layout.Cert(pki.CA), CertFile: s.file("center.crt"), KeyFile: s.file("center.key")},
	}
}

// as a user: the administrator of the Supervisor himself, or somebody whom he acts for.
func (s *supervisorProcess) as(user string, groups ...string) *kubernetes.Clientset {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", pki.Layout{DataDir: s.file("data")}.Kubeconfig(pki.Admin))
	if err != nil {
		s.t.Fatal(err)
	}
	config.QPS = -1
	if user != "" {
		config.Impersonate = clientrest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	}
	return kubernetes.NewForConfigOrDie(config)
}

// dyingAt makes center die at its n-th changing call of the Supervisor: before the call is sent, or before its answer is seen.
func dyingAt(config *clientrest.Config, n int64, die func()) *clientrest.Config {
	config = clientrest.CopyConfig(config)
	var calls atomic.Int64
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return next.RoundTrip(r)
			}
			call := calls.Add(1)
			if call < n {
				return next.RoundTrip(r)
			}
			if call == n && n%2 == 0 {
				if response, err := next.RoundTrip(r); err == nil {
					_ = response.Body.Close()
				}
			}
			die()
			return nil, errors.New("center is dead")
		})
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

//go:build e2e

package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/pki"
)

// binary is the real program; `make bin/supervisor` builds it.
const binary = "../../bin/supervisor"

const readyWithin = 3 * time.Minute

// inNamespace marks the test process that has a network of its own.
const inNamespace = "PACIFIC_TEST_NETNS"

// TestMain runs the tests in a network namespace, so that they need no free address and leave nothing behind.
func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) != "" {
		if err := addAddresses("10.250.0.2/32", "10.250.0.3/32", loginAddress+"/32", centerAddress+"/32"); err != nil {
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
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "network namespace for the test (are you root?):", err)
		os.Exit(1)
	}
	os.Exit(command.ProcessState.ExitCode())
}

func addAddresses(cidrs ...string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	for _, cidr := range cidrs {
		address, err := netlink.ParseAddr(cidr)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(lo, address); err != nil {
			return err
		}
	}
	return nil
}

// instance is a supervisor with its data; it may be started again and again.
type instance struct {
	t       *testing.T
	address string
	dataDir string
	hosts   string // directory of the host CA
	args    []string

	command *exec.Cmd
	log     *tail
}

func newInstance(t *testing.T, address string) *instance {
	t.Helper()
	s := &instance{t: t, address: address, dataDir: filepath.Join(t.TempDir(), "data"), hosts: t.TempDir()}
	ca, err := hostpki.LoadOrCreateCA(s.host("ca.crt"), s.host("ca.key"), "hosts")
	if err != nil {
		t.Fatal(err)
	}
	leaf := hostpki.Leaf{CertFile: s.host("c.crt"), KeyFile: s.host("c.key"), CommonName: "image-controller", Client: true}
	if _, err := ca.Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.command != nil {
			_ = s.command.Process.Kill()
			_ = s.command.Wait()
		}
		if t.Failed() {
			t.Logf("end of the log of the supervisor at %s:\n%s", address, s.log)
		}
	})
	return s
}

func (s *instance) host(name string) string { return filepath.Join(s.hosts, name) }

func (s *instance) layout() pki.Layout { return pki.Layout{DataDir: s.dataDir} }

func (s *instance) config() Config {
	return Config{DataDir: s.dataDir, AdvertiseAddress: net.ParseIP(s.address), ServiceCIDR: "10.96.0.0/16", PodCIDR: "10.244.0.0/16"}
}

// start starts the supervisor and returns how long it took to be ready.
func (s *instance) start() time.Duration {
	s.t.Helper()
	begin := time.Now()
	s.command = exec.Command(binary, append([]string{"--data-dir", s.dataDir, "--advertise-address", s.address,
		"--host-ca", s.host("ca.crt"), "--host-cert", s.host("c.crt"), "--host-key", s.host("c.key"), "--registry-config", s.hosts}, s.args...)...)
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := s.command.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		s.t.Fatalf("%v: run `make bin/supervisor` first", err)
	}
	s.log = follow(stderr)
	select {
	case <-s.log.ready:
	case <-s.log.closed:
		s.t.Fatalf("the supervisor ended:\n%s", s.log)
	case <-time.After(readyWithin):
		s.t.Fatalf("not ready within %v", readyWithin)
	}
	return time.Since(begin)
}

// kill ends the supervisor as a crash of the machine would.
func (s *instance) kill() {
	s.t.Helper()
	if err := s.command.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = s.command.Wait()
	s.command = nil
}

// stop ends the supervisor as an administrator would, and returns how long it took.
func (s *instance) stop() time.Duration {
	s.t.Helper()
	begin := time.Now()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	<-s.log.closed
	if err := s.command.Wait(); err != nil {
		s.t.Errorf("SIGTERM: %v", err)
	}
	s.command = nil
	return time.Since(begin)
}

// client is a client with an identity of the layout.
func (s *instance) client(name string) *kubernetes.Clientset {
	s.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.layout().Kubeconfig(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return kubernetes.NewForConfigOrDie(config)
}

// tail keeps a log, and shows the last lines.
type tail struct {
	ready, closed chan struct{}

	mu    sync.Mutex
	lines []string
}

// has tells whether a text is in a line of the log.
func (t *tail) has(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.lines, func(line string) bool { return strings.Contains(line, text) })
}

func follow(r io.Reader) *tail {
	t := &tail{ready: make(chan struct{}), closed: make(chan struct{})}
	go func() {
		defer close(t.closed)
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 1<<20)
		var once sync.Once
		for scanner.Scan() {
			if strings.Contains(scanner.Text(), "All components are ready") {
				once.Do(func() { close(t.ready) })
			}
			t.mu.Lock()
			t.lines = append(t.lines, scanner.Text())
			t.mu.Unlock()
		}
	}()
	return t
}

func (t *tail) String() string {
	if t == nil {
		return "(not started)"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines[max(0, len(t.lines)-60):], "\n")
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/member"
	"pacific/internal/supervisor/pki"
)

// binary is the real program; `make bin/supervisor` builds it.
const binary = "../../../bin/supervisor"

const (
	gateway     = "10.251.0.1/24"
	floating    = "10.251.0.2/24"
	extraName   = "wcp.example.com"
	readyWithin = 4 * time.Minute // many times what it takes
)

// inNamespace marks the test process that has a network of its own.
const inNamespace = "PACIFIC_TEST_NETNS"

// TestMain runs the tests in the network namespace of the switch.
func TestMain(m *testing.M) {
	if os.Getenv(inNamespace) != "" {
		for _, command := range []string{"link set lo up", "link add br0 type bridge", "addr add " + gateway + " dev br0", "link set br0 up"} {
			if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "ip %s: %v: %s\n", command, err, out)
				os.Exit(1)
			}
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

// lab is a Supervisor as center sees it.
type lab struct {
	t       *testing.T
	ctx     context.Context
	dir     string
	bundle  pki.Bundle
	host    member.HostClient
	members []*machine
}

// machine is a member with its network and its disk.
type machine struct {
	lab     *lab
	self    member.Member
	ns      string
	dataDir string

	command *exec.Cmd
	log     *tail
}

func newLab(t *testing.T) *lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	l := &lab{t: t, ctx: ctx, dir: t.TempDir()}
	var err error
	l.bundle, err = pki.NewBundle()
	l.check(err)
	l.host = l.hostClient()
	return l
}

func (l *lab) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) hostClient() member.HostClient {
	file := func(name string) string { return filepath.Join(l.dir, "hosts", name) }
	ca, err := hostpki.LoadOrCreateCA(file("ca.crt"), file("ca.key"), "hosts")
	l.check(err)
	_, err = ca.Ensure(hostpki.Leaf{CertFile: file("c.crt"), KeyFile: file("c.key"), CommonName: "image-controller", Client: true})
	l.check(err)
	read := func(name string) string {
		data, err := os.ReadFile(file(name))
		l.check(err)
		return string(data)
	}
	return member.HostClient{CA: read("ca.crt"), Certificate: read("c.crt"), Key: read("c.key")}
}

// machine makes the network of a member: a namespace with an eth0 on the switch.
func (l *lab) machine(n int) *machine {
	l.t.Helper()
	m := &machine{
		lab: l, self: member.Member{Name: fmt.Sprintf("cp-%d", n), Address: netip.AddrFrom4([4]byte{10, 251, 0, byte(2 + n)})},
		ns: fmt.Sprintf("sv%d-%d", os.Getpid(), n), dataDir: filepath.Join(l.dir, fmt.Sprintf("cp-%d", n)),
	}
	l.ip("netns add " + m.ns)
	l.t.Cleanup(func() {
		m.kill()
		if l.t.Failed() {
			l.t.Logf("end of the log of %s:\n%s", m.self.Name, m.log)
		}
		_ = exec.Command("ip", "netns", "del", m.ns).Run()
	})
	port := fmt.Sprintf("cp%d", n)
	l.ip("link add " + port + " type veth peer name eth0 netns " + m.ns)
	l.ip("link set " + port + " master br0 up")
	l.ip("-n " + m.ns + " link set lo up")
	l.ip("-n " + m.ns + " addr add " + m.self.Address.String() + "/24 dev eth0")
	l.ip("-n " + m.ns + " link set eth0 up")
	l.ip("-n " + m.ns + " route add default via 10.251.0.1")
	l.members = append(l.members, m)
	return m
}

func (l *lab) ip(args string) string {
	l.t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("ip %s: %v: %s", args, err, out)
	}
	return string(out)
}

// config of a member among others.
func (m *machine) config(state member.InitialState, all ...*machine) member.Config {
	config := member.Config{
		Supervisor: "domain-c1", Name: m.self.Name, DataDir: m.dataDir, Etcd: member.Etcd{InitialState: state},
		Floating:    &member.Floating{Address: netip.MustParsePrefix(floating), Interface: "eth0"},
		ServiceCIDR: netip.MustParsePrefix("10.96.0.0/16"), PodCIDR: netip.MustParsePrefix("10.244.0.0/16"),
		CertificateNames: []string{extraName}, HostClient: m.lab.host, PKI: &m.lab.bundle,
		Dataplane: &member.Dataplane{Interface: "eth0"},
	}
	for _, other := range all {
		config.Members = append(config.Members, other.self)
	}
	return config
}

func (m *machine) configFile() string { return m.dataDir + ".yaml" }

// write the configuration, as center would put it on the member's seed disk.
func (m *machine) write(config member.Config) {
	m.lab.t.Helper()
	data, err := config.Encode()
	m.lab.check(err)
	m.lab.check(os.WriteFile(m.configFile(), data, 0o600))
}

// start starts the program with the configuration written before.
func (m *machine) start() {
	m.lab.t.Helper()
	m.command = exec.Command("ip", "netns", "exec", m.ns, binary, "--config", m.configFile())
	m.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := m.command.StderrPipe()
	m.lab.check(err)
	if err := m.command.Start(); err != nil {
		m.lab.t.Fatalf("%v: run `make bin/supervisor` first", err)
	}
	m.log = follow(stderr)
}

func (m *machine) waitReady() {
	m.lab.t.Helper()
	select {
	case <-m.log.ready:
	case <-m.log.closed:
		m.lab.t.Fatalf("%s ended", m.self.Name)
	case <-time.After(readyWithin):
		m.lab.t.Fatalf("%s is not ready within %v", m.self.Name, readyWithin)
	}
}

// ends waits for the process to end by itself, and returns its last words.
func (m *machine) ends() string {
	m.lab.t.Helper()
	select {
	case <-m.log.closed:
	case <-time.After(readyWithin):
		m.lab.t.Fatalf("%s does not end", m.self.Name)
	}
	if err := m.command.Wait(); err == nil {
		m.lab.t.Errorf("%s ended as if all were well", m.self.Name)
	}
	m.command = nil
	return m.log.String()
}

// kill ends the process as a crash would. What it left in the kernel stays.
func (m *machine) kill() {
	if m.command == nil {
		return
	}
	_ = m.command.Process.Kill()
	_ = m.command.Wait()
	m.command = nil
}

// keep starts the program again when it has ended, as whoever runs it does: the leader ends when it loses its Lease.
func (m *machine) keep() {
	m.lab.t.Helper()
	select {
	case <-m.log.closed:
		_ = m.command.Wait()
		m.start()
	default:
	}
}

func (m *machine) stop() {
	m.lab.t.Helper()
	if err := m.command.Process.Signal(syscall.SIGTERM); err != nil {
		m.lab.t.Error(err) // not fatal: members stop side by side
	}
	<-m.log.closed
	if err := m.command.Wait(); err != nil {
		m.lab.t.Errorf("%s: SIGTERM: %v", m.self.Name, err)
	}
	m.command = nil
}

// holds tells whether the machine's interface has the floating address.
func (m *machine) holds() bool {
	return strings.Contains(m.lab.ip("-n "+m.ns+" -4 addr show dev eth0"), floating)
}

func (l *lab) eventually(what string, condition func() bool) time.Duration {
	l.t.Helper()
	begin := time.Now()
	for !condition() {
		if time.Since(begin) > 2*time.Minute || l.ctx.Err() != nil {
			l.t.Fatalf("%s: not so after %v", what, time.Since(begin))
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(begin).Round(10 * time.Millisecond)
}

// tail keeps the last lines of a log.
type tail struct {
	ready, closed chan struct{}

	mu    sync.Mutex
	lines []string
}

func follow(r io.Reader) *tail {
	t := &tail{ready: make(chan struct{}), closed: make(chan struct{})}
	go func() {
		defer close(t.closed)
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			// The leader's components have a line of their own before.
			if strings.Contains(scanner.Text(), "This member is ready") {
				close(t.ready)
			}
			t.mu.Lock()
			t.lines = append(t.lines, scanner.Text())
			t.lines = t.lines[max(0, len(t.lines)-80):]
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
	return strings.Join(t.lines, "\n")
}

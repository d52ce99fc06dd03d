//go:build e2e

package host_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/pki"
)

// The tests run hostd as it runs on a host: as a process of its own, with QEMU, in a network namespace. They need root, QEMU
// and the guest files in bin/guest of the repository; PACIFIC_GUEST_DIR overrides that.
//
//	go test -tags e2e ./internal/host/
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Println("skipped: the end-to-end tests of hostd need root")
		return
	}
	if os.Getenv(inNamespace) == "" {
		os.Exit(again())
	}
	out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput()
	if err != nil {
		fmt.Println(err, string(out))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const inNamespace = "PACIFIC_TEST_IN_NAMESPACE"

// again runs this program in a network namespace of its own: taps and loopback are its own then.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// host is a hostd under test.
type host struct {
	t                       *testing.T
	binary, dir, run, guest string
	plugin                  string
	cgroup                  string
	address, metricsAddress string
	args                    []string
	process                 *exec.Cmd
	conn                    *grpc.ClientConn
	machines                hostv1.VirtualMachinesClient
	disks                   hostv1.DisksClient
	host                    hostv1.HostClient
}

const (
	address        = "127.0.0.1:7443"
	metricsAddress = "127.0.0.1:7444"
)

func newHost(t *testing.T, args ...string) *host {
	t.Helper()
	return newHostBeside(t, 0, args...)
}

// newHostBeside is for a test with several hosts, numbered from 0.
func newHostBeside(t *testing.T, number int, args ...string) *host {
	t.Helper()
	h := &host{
		t: t, dir: t.TempDir(), args: args, cgroup: fmt.Sprintf("/pacific-test-%d", os.Getpid()), address: address, metricsAddress: metricsAddress,
	}
	if number > 0 {
		h.cgroup += fmt.Sprintf("-%d", number)
		h.address, h.metricsAddress = fmt.Sprintf("127.0.0.1:%d", 7443+10*number), fmt.Sprintf("127.0.0.1:%d", 7444+10*number)
	}
	run, err := os.MkdirTemp("/run", "hostd-test-")
	if err != nil {
		t.Fatal(err)
	}
	h.run = run
	t.Cleanup(func() { os.RemoveAll(run) })
	h.binary = filepath.Join(h.dir, "hostd")
	build(t, h.binary, "pacific/cmd/hostd")
	h.guest = guestDir(t, h.dir)
	h.plugin, err = filepath.Abs("../../bin/tcgtrim.so")
	h.must(err)
	h.credentials()
	h.start()
	h.dial("admin")
	t.Cleanup(h.end)
	return h
}

func build(t *testing.T, out, pkg string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
}

// guestDir has the built kernel and PID 1, and the personality of the tests.
func guestDir(t *testing.T, dir string) string {
	t.Helper()
	built := os.Getenv("PACIFIC_GUEST_DIR")
	if built == "" {
		built, _ = filepath.Abs("../../bin/guest")
	}
	guest := filepath.Join(dir, "guest")
	if err := os.MkdirAll(filepath.Join(guest, "personalities"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vmlinux", "crx-init"} {
		if _, err := os.Stat(filepath.Join(built, name)); err != nil {
			t.Skipf("no guest files: %v", err)
		}
		if err := os.Symlink(filepath.Join(built, name), filepath.Join(guest, name)); err != nil {
			t.Fatal(err)
		}
	}
	if modules := filepath.Join(built, "modules"); exists(modules) {
		if err := os.Symlink(modules, filepath.Join(guest, "modules")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"supervisor", "personalities/appliance"} {
		if exists(filepath.Join(built, name)) {
			if err := os.Symlink(filepath.Join(built, name), filepath.Join(guest, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if agent := filepath.Join(built, "personalities", "agent"); exists(agent) {
		if err := os.Symlink(agent, filepath.Join(guest, "personalities", "agent")); err != nil {
			t.Fatal(err)
		}
	}
	build(t, filepath.Join(guest, "personalities", "test"), "./testdata/personality")
	return guest
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (h *host) pki(name string) string { return filepath.Join(h.dir, "pki", name) }

func (h *host) credentials() {
	ca, err := pki.LoadOrCreateCA(h.pki("ca.crt"), h.pki("ca.key"), "test")
	h.must(err)
	_, err = ca.Ensure(pki.Leaf{
		CertFile: h.pki("hostd.crt"), KeyFile: h.pki("hostd.key"), CommonName: "hostd", Server: true, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	h.must(err)
	for _, client := range []string{"admin", "spherelet:host-t", "spherelet:other", "image-controller"} {
		_, err := ca.Ensure(pki.Leaf{CertFile: h.pki(client + ".crt"), KeyFile: h.pki(client + ".key"), CommonName: client, Client: true})
		h.must(err)
	}
}

func (h *host) start() {
	h.t.Helper()
	args := append([]string{
		"--name", "host-t", "--listen", h.address, "--state-dir", filepath.Join(h.dir, "state"), "--run-dir", h.run,
		"--guest-dir", h.guest, "--tls-cert", h.pki("hostd.crt"), "--tls-key", h.pki("hostd.key"), "--client-ca", h.pki("ca.crt"),
		"--cgroup-parent", h.cgroup, "--accelerator", "tcg", "--standbys", "0", "--metrics-listen", h.metricsAddress,
		"--qemu-plugin", h.plugin,
	}, h.args...)
	h.process = exec.Command(h.binary, args...)
	h.process.Stderr = os.Stderr
	h.must(h.process.Start())
}

// kill ends hostd as a crash does, and waits until the client knows: a call on a connection that is dead without its
// knowledge would fail instead of waiting for the next hostd.
func (h *host) kill() {
	h.t.Helper()
	h.must(h.process.Process.Kill())
	_ = h.process.Wait()
	if h.conn.GetState() == connectivity.Ready && !h.conn.WaitForStateChange(h.ctx(), connectivity.Ready) {
		h.t.Fatal("the client does not notice that hostd is dead")
	}
}

func (h *host) config(client string) *tls.Config {
	config, err := pki.ClientConfig(h.pki("ca.crt"), h.pki(client+".crt"), h.pki(client+".key"))
	h.must(err)
	return config
}

func (h *host) dial(client string) {
	h.t.Helper()
	conn, err := grpc.NewClient(h.address, grpc.WithTransportCredentials(credentials.NewTLS(h.config(client))),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	h.must(err)
	h.conn = conn
	h.machines, h.disks, h.host = hostv1.NewVirtualMachinesClient(conn), hostv1.NewDisksClient(conn), hostv1.NewHostClient(conn)
}

// end stops hostd in an orderly way; that a test leaves nothing is checked by the test.
func (h *host) end() {
	if h.t.Failed() {
		h.dump()
	}
	list, err := h.machines.List(h.ctx(), &hostv1.ListRequest{})
	if err == nil {
		for _, vm := range list.Machines {
			_, _ = h.machines.Destroy(h.ctx(), &hostv1.DestroyRequest{Id: vm.Spec.Id})
		}
	}
	h.conn.Close()
	_ = h.process.Process.Signal(syscall.SIGTERM)
	if err := h.process.Wait(); err != nil {
		h.t.Errorf("hostd on SIGTERM: %v", err)
	}
}

func (h *host) dump() {
	logs, _ := filepath.Glob(filepath.Join(h.run, "[ms]", "*", "vmm.log"))
	consoles, _ := filepath.Glob(filepath.Join(h.dir, "state", "machines", "*", "console.log"))
	for _, file := range append(logs, consoles...) {
		text, _ := os.ReadFile(file)
		h.t.Logf("%s:\n%s", file, text)
	}
}

func (h *host) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	h.t.Cleanup(cancel)
	return ctx
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func crxSpec(id string) *hostv1.VirtualMachineSpec {
	return &hostv1.VirtualMachineSpec{
		Id: id, Name: "test/" + id, Vcpus: 1, MemoryBytes: 128 << 20, ResourcePool: "default",
		Type:   &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: hostv1.Crx_MANAGED, Personality: "test"}},
		Ports:  []*hostv1.Port{{Name: "eth0"}},
		Labels: map[string]string{"pod": "test/" + id},
	}
}

// await watches until the machine is as wanted.
func (h *host) await(id string, want func(*hostv1.VirtualMachine) bool) *hostv1.VirtualMachine {
	h.t.Helper()
	return h.awaitWithin(60*time.Second, id, want)
}

func (h *host) awaitWithin(limit time.Duration, id string, want func(*hostv1.VirtualMachine) bool) *hostv1.VirtualMachine {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	stream, err := h.machines.Watch(ctx, &hostv1.WatchRequest{IncludeUnmanaged: true}, grpc.WaitForReady(true))
	h.must(err)
	var last *hostv1.VirtualMachine
	for {
		event, err := stream.Recv()
		if err != nil {
			h.t.Fatalf("machine %s is not as wanted: %v\nlast seen: %v", id, err, last)
		}
		if vm := event.GetMachine(); vm.GetSpec().GetId() == id {
			if last = vm; want(vm) {
				return vm
			}
		}
	}
}

func ready(vm *hostv1.VirtualMachine) bool   { return vm.GuestReadyAt != nil }
func stopped(vm *hostv1.VirtualMachine) bool { return vm.Phase == hostv1.VirtualMachine_STOPPED }

func (h *host) boot(spec *hostv1.VirtualMachineSpec) *hostv1.VirtualMachine {
	h.t.Helper()
	begin := time.Now()
	_, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
	h.must(err)
	created := time.Since(begin)
	vm := h.await(spec.Id, ready)
	h.t.Logf("%s: created and started in %s, ready after %s", spec.Id, created.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	return vm
}

// tell sends the personality a line.
func (h *host) tell(vm *hostv1.VirtualMachine, line string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("unix", vm.PersonalitySocket)
	h.must(err)
	h.must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	_, err = fmt.Fprintln(conn, line)
	h.must(err)
	return conn
}

// say sends the personality a line and returns its answer, "" when the guest ends.
func (h *host) say(vm *hostv1.VirtualMachine, line string) string {
	h.t.Helper()
	conn := h.tell(vm, line)
	defer conn.Close()
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer)
}

// empty checks that nothing of any machine is left on the host.
func (h *host) empty() {
	h.t.Helper()
	inventory, err := h.host.GetInventory(h.ctx(), &hostv1.GetInventoryRequest{})
	h.must(err)
	if n := len(inventory.Machines) + len(inventory.Taps) + len(inventory.Disks) + len(inventory.Cgroups); n != 0 {
		h.t.Errorf("the inventory is not empty: %v", inventory)
	}
	for _, pattern := range []string{
		filepath.Join(h.run, "[ms]", "*"), filepath.Join(h.dir, "state", "machines", "*"), filepath.Join(h.dir, "state", "disks", "*"),
		filepath.Join("/sys/fs/cgroup", h.cgroup), filepath.Join("/sys/fs/cgroup/*", h.cgroup),
	} {
		if left, _ := filepath.Glob(pattern); len(left) != 0 {
			h.t.Errorf("left: %v", left)
		}
	}
}

func (h *host) destroy(id string) {
	h.t.Helper()
	for range 2 {
		_, err := h.machines.Destroy(h.ctx(), &hostv1.DestroyRequest{Id: id})
		h.must(err)
	}
}

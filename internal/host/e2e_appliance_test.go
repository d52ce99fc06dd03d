//go:build e2e

package host_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	hostv1 "pacific/api/host/v1"
	"pacific/api/seed"
	"pacific/internal/pki"
)

// The management network of the test: the host's bridge, and the machine.
const (
	managementBridge = "mgmt0"
	bridgeAddress    = "10.99.0.1/24"
	memberAddress    = "10.99.0.3/24"
)

// bootLimit is for a control plane in an emulated machine on busy processors.
const bootLimit = 10 * time.Minute

// TestControlPlaneMachine runs a Supervisor of one member in a machine made of the control plane image.
func TestControlPlaneMachine(t *testing.T) {
	makeBridge(t)
	h := newHost(t, "--management-bridge", managementBridge, "--instant-clone=false")
	if !exists(filepath.Join(h.guest, "supervisor", "root.ext4")) {
		t.Skip("no control plane image; run make bin/guest/supervisor/root.ext4")
	}
	kubectl := h.prepareMember()
	spec := memberSpec()

	begin := time.Now()
	_, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
	h.must(err)
	vm := h.awaitMember(spec.Id, func(vm *hostv1.VirtualMachine) bool { return vm.GetGuest().GetStage() != "" })
	t.Logf("init after %s", vm.GuestReadyAt.AsTime().Sub(vm.StartedAt.AsTime()).Round(10*time.Millisecond))
	vm = h.awaitMember(spec.Id, serving)
	t.Logf("ready after %s; %s at %v", time.Since(begin).Round(100*time.Millisecond), vm.ImageVersion, vm.Guest.Addresses)
	if len(vm.Guest.Addresses) != 1 || vm.Guest.Addresses[0] != memberAddress {
		t.Errorf("addresses %v, want %s", vm.Guest.Addresses, memberAddress)
	}
	kubectl("create", "namespace", "lasting")

	t.Run("the seed is not on the command line and QEMU is confined", func(t *testing.T) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", vm.Pid))
		h.must(err)
		if strings.Contains(string(line), "advertise") {
			t.Errorf("command line %q", line)
		}
		confined(t, h, vm)
	})
	t.Run("inventory and reservations", func(t *testing.T) {
		found, err := h.host.GetInventory(h.ctx(), &hostv1.GetInventoryRequest{})
		h.must(err)
		if len(found.Machines) != 1 || found.Machines[0].Type != "vm" || len(found.Taps) != 1 || found.Taps[0].Owner != spec.Id {
			t.Errorf("inventory %v", found)
		}
		host, err := h.host.GetHost(h.ctx(), &hostv1.GetHostRequest{})
		h.must(err)
		if host.MemoryReservedBytes < spec.MemoryBytes || len(host.GuestImages) != 1 || host.ManagementBridge != managementBridge {
			t.Errorf("host %v", host)
		}
	})
	t.Run("hostd comes back to it", func(t *testing.T) {
		h.kill()
		h.start()
		again := h.awaitMember(spec.Id, serving)
		if again.Pid != vm.Pid {
			t.Errorf("pid %d, want %d", again.Pid, vm.Pid)
		}
	})
	t.Run("a killed VMM is started again with its data", func(t *testing.T) {
		begin := time.Now()
		h.must(syscall.Kill(int(vm.Pid), syscall.SIGKILL))
		h.awaitMember(spec.Id, func(vm *hostv1.VirtualMachine) bool { return vm.Starts == 2 && serving(vm) })
		t.Logf("ready again after %s", time.Since(begin).Round(100*time.Millisecond))
		kubectl("get", "namespace", "lasting")
	})
	t.Run("it stops when asked, and stays so", func(t *testing.T) {
		begin := time.Now()
		vm, err := h.machines.Stop(h.ctx(), &hostv1.StopRequest{Id: spec.Id, Grace: durationpb.New(50 * time.Second)})
		h.must(err)
		t.Logf("stopped after %s: %s", time.Since(begin).Round(100*time.Millisecond), vm.LastExit.Message)
		if vm.Phase != hostv1.VirtualMachine_STOPPED || vm.NextStartAt != nil || !strings.Contains(vm.LastExit.Message, "as it was asked") {
			t.Errorf("%v", vm)
		}
	})
	t.Run("it starts again", func(t *testing.T) {
		_, err := h.machines.Start(h.ctx(), &hostv1.StartRequest{Id: spec.Id})
		h.must(err)
		h.awaitMember(spec.Id, func(vm *hostv1.VirtualMachine) bool { return vm.Starts == 3 && vm.GetGuest().GetStage() != "" })
	})
	h.destroy(spec.Id)
	h.empty()
	if tables, err := exec.Command("nft", "list", "set", "bridge", "pacific-ports", "sources").CombinedOutput(); err != nil || strings.Contains(string(tables), "mgt") {
		t.Errorf("the filter still knows a port: %s %v", tables, err)
	}
}

func serving(vm *hostv1.VirtualMachine) bool { return vm.GetGuest().GetStage() == "Ready" }

func makeBridge(t *testing.T) {
	for _, args := range [][]string{
		{"link", "add", managementBridge, "type", "bridge"},
		{"addr", "add", bridgeAddress, "dev", managementBridge},
		{"link", "set", managementBridge, "up"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v %s", args, err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", managementBridge).Run() })
}

func memberSpec() *hostv1.VirtualMachineSpec {
	return &hostv1.VirtualMachineSpec{
		Id: "supervisor-1", Name: "SupervisorControlPlaneVM (1)", Vcpus: 2, MemoryBytes: 1536 << 20,
		Type:          &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{Image: "supervisor"}},
		ResourcePool:  "default",
		Ports:         []*hostv1.Port{{Name: "eth0", Network: "management"}},
		RestartPolicy: hostv1.VirtualMachineSpec_ALWAYS,
		Disks: []*hostv1.DiskAttachment{
			{DiskId: "supervisor-1-data", DeleteWithMachine: true},
			{DiskId: "supervisor-1-seed", ReadOnly: true, DeleteWithMachine: true},
		},
	}
}

// prepareMember makes the member's disks, and a kubectl that is its administrator.
func (h *host) prepareMember() (kubectl func(args ...string)) {
	h.t.Helper()
	address := netip.MustParsePrefix(memberAddress)
	ca, err := pki.LoadOrCreateCA(h.pki("ca.crt"), h.pki("ca.key"), "test")
	h.must(err)
	_, err = ca.Ensure(pki.Leaf{CertFile: h.pki("c.crt"), KeyFile: h.pki("c.key"), CommonName: "image-controller", Client: true})
	h.must(err)
	s := seed.Seed{
		Hostname: "supervisor-1", Network: seed.Network{Address: address, Gateway: netip.MustParsePrefix(bridgeAddress).Addr()},
		Arguments: []string{
			"--data-dir=" + seed.DataDir + "/supervisor", "--advertise-address=" + address.Addr().String(), "--registry-config=" + seed.Dir,
			"--host-ca=" + seed.Dir + "/ca.crt", "--host-cert=" + seed.Dir + "/c.crt", "--host-key=" + seed.Dir + "/c.key",
		},
	}
	for _, name := range []string{"ca.crt", "c.crt", "c.key"} {
		content, err := os.ReadFile(h.pki(name))
		h.must(err)
		s.Files = append(s.Files, seed.File{Path: seed.Dir + "/" + name, Content: content})
	}
	content, err := s.Encode()
	h.must(err)
	_, err = h.disks.Create(h.ctx(), &hostv1.CreateDiskRequest{Disk: &hostv1.Disk{Id: "supervisor-1-seed", SizeBytes: seed.MaxBytes}, Content: content})
	h.must(err)
	_, err = h.disks.Create(h.ctx(), &hostv1.CreateDiskRequest{Disk: &hostv1.Disk{Id: "supervisor-1-data", SizeBytes: 2 << 30, Filesystem: "ext4"}})
	h.must(err)
	return h.administer(address.Addr())
}

// administer puts an authority of the test's on the data disk, which the member takes for its own.
func (h *host) administer(address netip.Addr) (kubectl func(args ...string)) {
	h.t.Helper()
	dir := filepath.Join(h.dir, "member")
	ca, err := pki.LoadOrCreateCA(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), "kubernetes")
	h.must(err)
	admin := filepath.Join(dir, "admin")
	_, err = ca.Ensure(pki.Leaf{
		CertFile: admin + ".crt", KeyFile: admin + ".key", CommonName: "test", Organizations: []string{"system:masters"}, Client: true,
	})
	h.must(err)
	raw := filepath.Join(h.dir, "state", "disks", "supervisor-1-data", "disk.raw")
	commands := fmt.Sprintf("mkdir supervisor\nmkdir supervisor/pki\ncd supervisor/pki\nwrite %s/ca.crt ca.crt\nwrite %s/ca.key ca.key\n", dir, dir)
	debugfs := exec.Command("debugfs", "-w", "-f", "-", raw)
	debugfs.Stdin = strings.NewReader(commands)
	debugfs.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if out, err := debugfs.CombinedOutput(); err != nil {
		h.t.Fatalf("debugfs: %v %s", err, out)
	}
	return func(args ...string) {
		h.t.Helper()
		options := []string{
			"--server=https://" + net.JoinHostPort(address.String(), "6443"), "--certificate-authority=" + filepath.Join(dir, "ca.crt"),
			"--client-certificate=" + admin + ".crt", "--client-key=" + admin + ".key", "--request-timeout=60s",
		}
		if out, err := exec.Command("../../bin/kubectl", append(options, args...)...).CombinedOutput(); err != nil {
			h.t.Errorf("kubectl %v: %v\n%s", args, err, out)
		}
	}
}

// awaitMember is await with the patience that an emulated control plane needs.
func (h *host) awaitMember(id string, want func(*hostv1.VirtualMachine) bool) *hostv1.VirtualMachine {
	h.t.Helper()
	return h.awaitWithin(bootLimit, id, want)
}

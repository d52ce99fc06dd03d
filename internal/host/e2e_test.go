//go:build e2e

package host_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	hostv1 "pacific/api/host/v1"
)

func TestLifeOfACRX(t *testing.T) {
	h := newHost(t)
	spec := crxSpec("11111111-2222-3333-4444-555555555555")
	vm := h.boot(spec)

	t.Run("creation is idempotent and tells conflicts", func(t *testing.T) {
		again, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
		if err != nil || again.Pid != vm.Pid || again.Starts != 1 {
			t.Errorf("%v %v", again, err)
		}
		other := crxSpec(spec.Id)
		other.MemoryBytes *= 2
		if _, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: other}); status.Code(err) != codes.AlreadyExists {
			t.Errorf("%v, want ALREADY_EXISTS", err)
		}
	})
	t.Run("the guest has its port and its command line", func(t *testing.T) {
		if mac := h.say(vm, "link"); mac != hostv1.MAC(spec.Id) {
			t.Errorf("hardware address %q, want %q", mac, hostv1.MAC(spec.Id))
		}
		if line := h.say(vm, "cmdline"); !strings.Contains(line, "crx.personality=test") {
			t.Errorf("command line %q", line)
		}
	})
	t.Run("the VMM is confined", func(t *testing.T) {
		confined(t, h, vm)
		knowsNoFiles(t, h, vm)
	})
	t.Run("it survives hostd", func(t *testing.T) { survives(t, h, vm) })
	t.Run("disks come and go", func(t *testing.T) { disks(t, h, vm) })
	t.Run("a killed VMM is told", func(t *testing.T) {
		if err := syscall.Kill(int(vm.Pid), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		exit := h.await(spec.Id, stopped).LastExit
		if exit.Reason != "Killed" || exit.Signal != int32(syscall.SIGKILL) {
			t.Errorf("exit %v", exit)
		}
	})
	t.Run("it starts again with its disks", func(t *testing.T) {
		vm, err := h.machines.Start(h.ctx(), &hostv1.StartRequest{Id: spec.Id})
		if err != nil || vm.Starts != 2 {
			t.Fatal(vm, err)
		}
		vm = h.await(spec.Id, ready)
		if have := h.say(vm, "disks"); have != "1:131072:1" {
			t.Errorf("disks %q", have)
		}
	})
	t.Run("it stops when asked", func(t *testing.T) {
		begin := time.Now()
		vm, err := h.machines.Stop(h.ctx(), &hostv1.StopRequest{Id: spec.Id, Grace: durationpb.New(20 * time.Second)})
		if err != nil || vm.Phase != hostv1.VirtualMachine_STOPPED || vm.LastExit.Reason != "Stopped" || vm.Pid != 0 {
			t.Errorf("%v %v", vm, err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %s, so the guest was not asked", took)
		}
	})
	h.destroy(spec.Id)
	_, err := h.disks.Delete(h.ctx(), &hostv1.DeleteDiskRequest{Id: "shared"})
	h.must(err)
	h.empty()
}

func confined(t *testing.T, h *host, vm *hostv1.VirtualMachine) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", vm.Pid))
	h.must(err)
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch name {
		case "Uid", "Gid":
			for _, id := range fields {
				if len(id) != 10 {
					t.Errorf("%s is %v, want a number of the range for machines", name, fields)
				}
			}
		case "Groups":
			for _, id := range fields {
				if len(id) != 10 {
					t.Errorf("supplementary groups %v, want none but its own", fields)
				}
			}
		case "CapEff", "CapPrm":
			if strings.Trim(fields[0], "0") != "" {
				t.Errorf("%s is %s", name, fields[0])
			}
		case "Seccomp":
			if fields[0] != "2" {
				t.Errorf("seccomp mode %s", fields[0])
			}
		case "NoNewPrivs":
			if fields[0] != "1" {
				t.Errorf("no_new_privs is %s", fields[0])
			}
		}
	}
	root, err := os.ReadDir(fmt.Sprintf("/proc/%d/root", vm.Pid))
	if err != nil || len(root) != 0 {
		t.Errorf("its root holds %v %v", root, err)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", vm.Pid))
	if err != nil || !strings.Contains(string(groups), h.cgroup+"/default/"+vm.Spec.Id+".vm") {
		t.Errorf("cgroups %s %v", groups, err)
	}
}

// knowsNoFiles is for a machine without disks.
func knowsNoFiles(t *testing.T, h *host, vm *hostv1.VirtualMachine) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", vm.Pid))
	h.must(err)
	for _, file := range files {
		if target, _ := os.Readlink(file); strings.Contains(target, "/state") {
			t.Errorf("it has %s open", target)
		}
	}
}

func survives(t *testing.T, h *host, vm *hostv1.VirtualMachine) {
	for range 3 {
		h.kill()
		h.start()
		after, err := h.machines.Get(h.ctx(), &hostv1.GetRequest{Id: vm.Spec.Id})
		h.must(err)
		if after.Pid != vm.Pid || after.Starts != 1 || after.Phase != hostv1.VirtualMachine_RUNNING || after.GuestReadyAt == nil {
			t.Errorf("after hostd was killed: %v", after)
		}
		if answer := h.say(after, "hello"); answer != "echo hello" {
			t.Errorf("the guest answers %q", answer)
		}
	}
}

func disks(t *testing.T, h *host, vm *hostv1.VirtualMachine) {
	for id, size := range map[string]uint64{"scratch": 64 << 20, "shared": 64 << 20} {
		_, err := h.disks.Create(h.ctx(), &hostv1.CreateDiskRequest{Disk: &hostv1.Disk{Id: id, SizeBytes: size}})
		h.must(err)
	}
	attach := func(id string, readOnly bool) int32 {
		for range 2 { // the second is the first cut off
			_, err := h.machines.AttachDisk(h.ctx(), &hostv1.AttachDiskRequest{
				MachineId: vm.Spec.Id, Disk: &hostv1.DiskAttachment{DiskId: id, ReadOnly: readOnly, DeleteWithMachine: id == "scratch"},
			})
			h.must(err)
		}
		d, err := h.machines.AttachDisk(h.ctx(), &hostv1.AttachDiskRequest{
			MachineId: vm.Spec.Id, Disk: &hostv1.DiskAttachment{DiskId: id, ReadOnly: readOnly, DeleteWithMachine: id == "scratch"},
		})
		h.must(err)
		return d.Lun
	}
	if lun := attach("scratch", false); lun != 0 {
		t.Errorf("LUN %d", lun)
	}
	if lun := attach("shared", true); lun != 1 {
		t.Errorf("LUN %d", lun)
	}
	h.awaitDisks(vm, "0:131072:0 1:131072:1")
	if answer := h.say(vm, "write 0 pacific"); answer != "written" {
		t.Error(answer)
	}
	content, err := os.ReadFile(filepath.Join(h.dir, "state", "disks", "scratch", "disk.raw"))
	if err != nil || !strings.HasPrefix(string(content), "pacific") {
		t.Errorf("disk begins with %q %v", content[:7], err)
	}
	if answer := h.say(vm, "write 1 pacific"); answer == "written" {
		t.Error("a read-only disk was written")
	}
	// Plugged disks are known again after hostd was killed.
	h.kill()
	h.start()
	if _, err := h.disks.Delete(h.ctx(), &hostv1.DeleteDiskRequest{Id: "scratch"}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("delete of an attached disk: %v, want FAILED_PRECONDITION", err)
	}
	for range 2 {
		_, err = h.machines.DetachDisk(h.ctx(), &hostv1.DetachDiskRequest{MachineId: vm.Spec.Id, DiskId: "scratch"})
		h.must(err)
	}
	h.awaitDisks(vm, "1:131072:1")
	_, err = h.disks.Delete(h.ctx(), &hostv1.DeleteDiskRequest{Id: "scratch"})
	h.must(err)
}

func (h *host) awaitDisks(vm *hostv1.VirtualMachine, want string) {
	h.t.Helper()
	var have string
	for range 100 {
		if have = h.say(vm, "disks"); have == want {
			return
		}
		time.Sleep(50 * time.Millisecond) // the guest's kernel scans the bus in its own time, and tells nobody here
	}
	h.t.Errorf("the guest has disks %q, want %q", have, want)
}

func TestReasonsOfExit(t *testing.T) {
	h := newHost(t)
	for _, c := range []struct {
		name, line, reason string
		code               int32
		whileDead          bool // hostd is dead when it happens
	}{
		{name: "exit", line: "exit 3", reason: "PersonalityExited", code: 3},
		{name: "exit-unseen", line: "exit 4", reason: "PersonalityExited", code: 4, whileDead: true},
		{name: "kill", line: "kill", reason: "PersonalityExited", code: 128 + 9},
		{name: "panic", line: "panic", reason: "KernelPanic"},
		{name: "panic-unseen", line: "panic", reason: "KernelPanic", whileDead: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			vm := h.boot(crxSpec(c.name))
			if c.whileDead {
				h.kill()
			}
			defer h.tell(vm, c.line).Close() // at the end, since a port that hangs up loses what is under way
			if c.whileDead {
				time.Sleep(5 * time.Second) // so that it happens while nobody is there to see it
				h.start()
			}
			exit := h.await(c.name, stopped).LastExit
			if exit.Reason != c.reason || exit.ExitCode != c.code {
				t.Errorf("exit %v, want %s %d", exit, c.reason, c.code)
			}
			t.Logf("%s: %s", exit.Reason, exit.Message)
			h.destroy(c.name)
		})
	}
	t.Run("vmm-fails", func(t *testing.T) {
		spec := crxSpec("vmm-fails")
		spec.Vcpus = 1
		h.must(os.Remove(filepath.Join(h.guest, "vmlinux")))
		h.must(os.WriteFile(filepath.Join(h.guest, "vmlinux"), []byte("no kernel"), 0o644))
		_, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "VMMFailed") {
			t.Errorf("%v", err)
		}
		t.Log(err)
		h.destroy("vmm-fails")
	})
	h.empty()
}

// A machine without a record is ended when hostd starts, whatever it left.
func TestOrphansAreEnded(t *testing.T) {
	h := newHost(t)
	vm := h.boot(crxSpec("orphan"))
	h.kill()
	h.must(os.RemoveAll(filepath.Join(h.dir, "state", "machines", "orphan")))
	h.start()
	h.empty()
	if err := syscall.Kill(int(vm.Pid), 0); err == nil {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", vm.Pid))
		if strings.Contains(string(text), "orphan") {
			t.Error("the VMM runs")
		}
	}
}

// hostd is killed at a random moment of starts and destructions; what remains is right every time.
func TestKilledAnyTime(t *testing.T) {
	h := newHost(t)
	for i := range 12 {
		id := fmt.Sprintf("chaos-%d", i)
		h.createKilledAfter(id, time.Duration(i)*12*time.Millisecond)
		ctx, cancel := context.WithCancel(h.ctx())
		go h.machines.Destroy(ctx, &hostv1.DestroyRequest{Id: id}, grpc.WaitForReady(false))
		time.Sleep(time.Duration(i) * 5 * time.Millisecond)
		h.kill()
		cancel()
		h.start()
		h.again(func() error {
			_, err := h.machines.Destroy(h.ctx(), &hostv1.DestroyRequest{Id: id})
			return err
		})
		h.empty()
	}
}

// createKilledAfter creates a machine and kills hostd after a time; with the next hostd it must come to be and answer.
func (h *host) createKilledAfter(id string, after time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.ctx())
	go h.machines.Create(ctx, &hostv1.CreateRequest{Spec: crxSpec(id), Start: true}, grpc.WaitForReady(false))
	time.Sleep(after)
	h.kill()
	cancel()
	h.start()
	h.again(func() error {
		_, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: crxSpec(id), Start: true})
		return err
	})
	vm := h.await(id, ready)
	if answer := h.say(vm, "hello"); answer != "echo hello" {
		h.t.Errorf("the guest answers %q", answer)
	}
}

// again calls until hostd answers: the connection to the hostd that was killed may still be the present one.
func (h *host) again(call func() error) {
	h.t.Helper()
	var err error
	for range 5 {
		if err = call(); status.Code(err) != codes.Unavailable {
			break
		}
	}
	h.must(err)
}

// Whatever accelerator this machine has, hostd says which after it has seen a guest boot, and remembers.
func TestAcceleratorIsProbedOnce(t *testing.T) {
	h := newHost(t, "--accelerator", "auto")
	begin := time.Now()
	first, err := h.host.GetHost(h.ctx(), &hostv1.GetHostRequest{})
	h.must(err)
	took := time.Since(begin)
	h.kill()
	h.start()
	begin = time.Now()
	var second *hostv1.GetHostResponse
	h.again(func() error {
		var err error
		second, err = h.host.GetHost(h.ctx(), &hostv1.GetHostRequest{})
		return err
	})
	t.Logf("%v\nknown after %s, again after %s", first, took, time.Since(begin))
	if first.Accelerator != second.Accelerator || first.Accelerator == "" || first.CrxKernelVersion == "" {
		t.Errorf("first %v, then %v", first, second)
	}
	h.boot(crxSpec("accelerated"))
	h.destroy("accelerated")
	h.empty()
}

// Boots must not hang, which guests did under TCG that calibrated their clock themselves.
func TestEveryBootSucceeds(t *testing.T) {
	h := newHost(t, "--instant-clone=false")
	for i := range 15 {
		id := fmt.Sprintf("boot-%d", i)
		vm := h.boot(crxSpec(id))
		t.Logf("processor time %s, resident %d MiB", processorTime(h, vm.Pid), resident(h, vm.Pid)>>20)
		h.destroy(id)
	}
	h.empty()
}

// processorTime of a process so far.
func processorTime(h *host, pid int32) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	h.must(err)
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	user, err := strconv.Atoi(fields[11])
	h.must(err)
	system, err := strconv.Atoi(fields[12])
	h.must(err)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// resident memory of a process in bytes.
func resident(h *host, pid int32) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	h.must(err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	h.must(err)
	return pages * os.Getpagesize()
}

// The tests of cgroups run on whichever version this machine has; a CRX has version 2, and runs them as its personality.
func TestCgroupsInACRX(t *testing.T) {
	h := newHost(t)
	cmd := exec.Command("go", "test", "-c", "-o", filepath.Join(h.guest, "personalities", "cgroups"), "./cgroup")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	spec := crxSpec("cgroups")
	spec.GetCrx().Personality = "cgroups"
	_, err := h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
	h.must(err)
	exit := h.await("cgroups", stopped).LastExit
	if exit.Reason != "PersonalityExited" || exit.ExitCode != 0 {
		t.Errorf("%v", exit)
	}
	t.Log(exit.Message)
	h.destroy("cgroups")
}

func TestClientsMayDoTheirOwn(t *testing.T) {
	h := newHost(t)
	for client, want := range map[string]codes.Code{
		"admin": codes.OK, "spherelet:host-t": codes.OK, "spherelet:other": codes.PermissionDenied, "image-controller": codes.PermissionDenied,
	} {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(h.config(client))))
		h.must(err)
		defer conn.Close()
		_, err = hostv1.NewVirtualMachinesClient(conn).List(h.ctx(), &hostv1.ListRequest{}, grpc.WaitForReady(true))
		if status.Code(err) != want {
			t.Errorf("%s lists machines: %v, want %v", client, err, want)
		}
	}
}

// bootSector prints a line on the serial port and powers off by ACPI, as firmware of a q35 sets it up.
var bootSector = append([]byte{
	0x31, 0xc0, 0x8e, 0xd8, // ds = 0
	0xbe, 0x1c, 0x7c, // si = text
	0xba, 0xf8, 0x03, // dx = COM1
	0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8, // write until 0
	0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, // PM1a_CNT = SLP_EN
	0xf4, 0xeb, 0xfd, // halt
}, "pacific boots\r\n\x00"...)

func TestGuestBootsFromItsFirstDisk(t *testing.T) {
	h := newHost(t)
	_, err := h.disks.Create(h.ctx(), &hostv1.CreateDiskRequest{Disk: &hostv1.Disk{Id: "boot", SizeBytes: 1 << 20}})
	h.must(err)
	sector := make([]byte, 512)
	copy(sector, bootSector)
	sector[510], sector[511] = 0x55, 0xaa
	disk, err := os.OpenFile(filepath.Join(h.dir, "state", "disks", "boot", "disk.raw"), os.O_WRONLY, 0)
	h.must(err)
	_, err = disk.WriteAt(sector, 0)
	h.must(err)
	h.must(disk.Close())
	spec := &hostv1.VirtualMachineSpec{
		Id: "guest", Name: "guest", Vcpus: 1, MemoryBytes: 128 << 20, Type: &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{}},
		Ports: []*hostv1.Port{{Name: "eth0"}},
		Disks: []*hostv1.DiskAttachment{{DiskId: "boot", DeleteWithMachine: true}},
	}
	_, err = h.machines.Create(h.ctx(), &hostv1.CreateRequest{Spec: spec, Start: true})
	h.must(err)
	exit := h.await("guest", stopped).LastExit
	if exit.Reason != "PoweredOff" {
		t.Errorf("exit %v", exit)
	}
	console, err := os.ReadFile(filepath.Join(h.dir, "state", "machines", "guest", "console.log"))
	if err != nil || !strings.Contains(string(console), "pacific boots") {
		t.Errorf("console %q %v", console, err)
	}
	h.destroy("guest")
	h.empty()
}

package qemu

import (
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"golang.org/x/sys/unix"

	"pacific/internal/host/vmm"
)

func TestArguments(t *testing.T) {
	machines := map[string]vmm.Machine{
		"crx": {
			ID: "a", Dir: "/run/m/a", Accelerator: vmm.TCG, VCPUs: 2, MemoryBytes: 256 << 20, UID: 1900000001,
			Kernel: &vmm.Kernel{Image: "/guest/vmlinux", Initrd: "/state/initrd/agent.cpio", CommandLine: "quiet crx.personality=agent"},
			Ports:  []vmm.Port{{MAC: "02:50:56:00:00:01"}},
		},
		"template": {
			ID: "t", Dir: "/run/m/t", Accelerator: vmm.TCG, VCPUs: 1, MemoryBytes: 256 << 20, UID: 1899999998,
			Kernel: &vmm.Kernel{Image: "/guest/vmlinux", Initrd: "/state/initrd/agent.cpio", CommandLine: "quiet crx.personality=agent crx.template=1"},
			Ports:  []vmm.Port{{MAC: "02:50:56:00:00:01"}}, Memory: &vmm.Memory{},
		},
		"clone": {
			ID: "c", Dir: "/run/m/c", Accelerator: vmm.TCG, VCPUs: 1, MemoryBytes: 256 << 20, UID: 1900000003,
			Kernel: &vmm.Kernel{Image: "/guest/vmlinux", Initrd: "/state/initrd/agent.cpio", CommandLine: "quiet crx.personality=agent crx.template=1"},
			Ports:  []vmm.Port{{MAC: "02:50:56:00:00:03"}}, Memory: &vmm.Memory{Clone: true},
		},
		"standby": {
			ID: "s", Dir: "/run/m/s", Accelerator: vmm.TCG, VCPUs: 1, MemoryBytes: 256 << 20, UID: 1900000004,
			Kernel: &vmm.Kernel{}, Ports: []vmm.Port{{MAC: "02:50:56:00:00:04"}}, Memory: &vmm.Memory{Clone: true}, Standby: true,
		},
		"guest": {
			ID: "b", Dir: "/run/m/b", Accelerator: vmm.KVM, VCPUs: 1, MemoryBytes: 1 << 30, UID: 1900000002, Firmware: "uefi",
			Ports: []vmm.Port{{MAC: "02:50:56:00:00:02"}, {MAC: "02:50:56:00:00:03"}},
		},
	}
	machines["appliance"] = vmm.Machine{
		ID: "v", Dir: "/run/m/v", Accelerator: vmm.TCG, VCPUs: 2, MemoryBytes: 1536 << 20, UID: 1900000005, Console: os.Stderr, System: true,
		Kernel: &vmm.Kernel{Image: "/guest/vmlinux", Initrd: "/state/initrd/appliance.cpio", CommandLine: "quiet crx.personality=appliance"},
		Ports:  []vmm.Port{{MAC: "02:50:56:00:00:05"}},
	}
	datadriven.RunTest(t, "testdata/arguments", func(t *testing.T, d *datadriven.TestData) string {
		m := machines[d.Cmd]
		fd := descriptors{qmp: 3, init: 4, personality: 5, taps: []int{6, 7}, memory: 7, console: 8}
		plugin := ""
		if d.HasArg("plugin") {
			plugin = "/lib/tcgtrim.so"
		}
		args := arguments(m, fd, plugin)
		if id, ok := parseCommand(append([]string{"qemu"}, args...), "/run/m"); !ok || id != m.ID {
			t.Errorf("the machine is not found again by its command line: %q %v", id, ok)
		}
		if _, ok := parseCommand(args, "/other/m"); ok {
			t.Error("the machine is found in a directory that is not its own")
		}
		return strings.ReplaceAll(strings.Join(args, " "), " -", "\n-") + "\n"
	})
}

func TestStateOf(t *testing.T) {
	for status, want := range map[string]vmm.State{
		"prelaunch":      {Held: true},
		"running":        {},
		"paused":         {Held: true},
		"inmigrate":      {Held: true},
		"shutdown":       {Ended: vmm.Shutdown},
		"guest-panicked": {Ended: vmm.Panic},
		"internal-error": {Ended: vmm.Internal},
	} {
		if have := stateOf(status); have != want {
			t.Errorf("%s: %v, want %v", status, have, want)
		}
	}
}

func TestCaught(t *testing.T) {
	status := "Name:\tqemu\nSigIgn:\tffffffffffffffff\nSigCgt:\t0000008100004043\n"
	for signal, want := range map[unix.Signal]bool{signalTrim: true, 41: false, 1: true, 3: false} {
		if have, err := caught(status, signal); err != nil || have != want {
			t.Errorf("signal %d: %v, %v", signal, have, err)
		}
	}
	if have, err := caught("Name:\tqemu\n", signalTrim); have || err != nil {
		t.Errorf("without the field: %v, %v", have, err)
	}
}

// Package preflight says what a machine lacks for Pacific, all at once, before anything is changed.
package preflight

import (
	"fmt"
	"strings"
)

// What an instance takes beside its hosts' machines: control plane, daemons; images and etcd on disk.
const (
	baseMemory = 2 << 30
	hostMemory = 256 << 20
	baseDisk   = 4 << 30
)

// Wanted is what the user asked for.
type Wanted struct {
	Hosts       int
	Accelerator string
	Home        string
	BinDir      string
}

// Facts are what the machine has.
type Facts struct {
	Root            bool
	MissingCommands []string // of Commands
	MissingFiles    []string // below BinDir
	MemoryAvailable uint64   // bytes
	DiskFree        uint64   // bytes, where Home is
	KVMDevice       bool
	TunDevice       bool
	MissingCgroups  []string // controllers
	Kernel          []error  // features that did not work
	Subnet          error    // why the addresses of an instance that exists are not to be had
	Running         bool     // the instance runs already, so it has its memory and disk
}

// Problem is something missing, and what to do about it.
type Problem struct{ What, Do string }

func (p Problem) String() string { return p.What + "\n    " + p.Do }

// Commands that the daemons call, and their Debian packages.
var Commands = []struct{ Name, Package string }{
	{"qemu-system-x86_64", "qemu-system-x86"},
	{"nft", "nftables"},
	{"mkfs.ext4", "e2fsprogs"},
}

// Files that must have been built, below the directory of programs.
var Files = []string{
	"pacific", "center", "supervisor", "hostd", "spherelet", "dataplane", "registry",
	"guest/vmlinux", "guest/crx-init", "guest/personalities/agent", "guest/personalities/fetcher",
}

// Problems compares what there is with what is wanted.
func Problems(f Facts, w Wanted) []Problem {
	if !f.Root {
		// Without root nothing else can be found out truly.
		return []Problem{{"not root", "run it as root: it makes network namespaces, bridges and cgroups"}}
	}
	var found []Problem
	add := func(what, do string) { found = append(found, Problem{what, do}) }
	if len(f.MissingCommands) > 0 {
		add("missing commands: "+strings.Join(f.MissingCommands, ", "), "apt-get install "+strings.Join(packagesOf(f.MissingCommands), " "))
	}
	if len(f.MissingFiles) > 0 {
		add(fmt.Sprintf("not built: %s in %s", strings.Join(f.MissingFiles, ", "), w.BinDir), "run make build, or name the directory with --bin-dir")
	}
	if need := uint64(baseMemory + w.Hosts*hostMemory); !f.Running && f.MemoryAvailable < need {
		add(fmt.Sprintf("%s of memory available; %d hosts and their control plane need %s", gib(f.MemoryAvailable), w.Hosts, gib(need)), "end other programs, or bring up fewer hosts with --hosts")
	}
	if !f.Running && f.DiskFree < baseDisk {
		add(fmt.Sprintf("%s free for %s; images and the cluster's state need %s", gib(f.DiskFree), w.Home, gib(baseDisk)), "free some, or put the instance elsewhere with --home")
	}
	if f.Subnet != nil {
		add("the addresses of this instance are taken: "+f.Subnet.Error(), "remove that route; the instance's certificates and cluster hold its addresses, so it cannot have others")
	}
	found = append(found, machineProblems(f, w.Accelerator)...)
	return found
}

// machineProblems are those of any machine that runs machines.
func machineProblems(f Facts, accelerator string) []Problem {
	var found []Problem
	add := func(what, do string) { found = append(found, Problem{what, do}) }
	if !f.TunDevice {
		add("no /dev/net/tun", "modprobe tun")
	}
	if accelerator == "kvm" && !f.KVMDevice {
		add("no /dev/kvm", "switch on virtualization in the firmware and modprobe kvm_intel or kvm_amd, or use --accel auto")
	}
	if len(f.MissingCgroups) > 0 {
		add("missing cgroup controllers: "+strings.Join(f.MissingCgroups, ", "), "switch them on in the kernel's configuration or command line")
	}
	for _, err := range f.Kernel {
		add("the kernel does not do "+err.Error(), "load the module or use a kernel that has it, as Debian's has")
	}
	return found
}

func packagesOf(commands []string) []string {
	var packages []string
	for _, command := range commands {
		for _, known := range Commands {
			if known.Name == command {
				packages = append(packages, known.Package)
			}
		}
	}
	return packages
}

func gib(bytes uint64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

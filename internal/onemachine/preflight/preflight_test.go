package preflight

import (
	"errors"
	"strings"
	"testing"
)

var good = Facts{Root: true, MemoryAvailable: 16 << 30, DiskFree: 50 << 30, KVMDevice: true, TunDevice: true}

func TestProblems(t *testing.T) {
	wanted := Wanted{Hosts: 3, Accelerator: "auto", Home: "/h", BinDir: "/b"}
	for _, c := range []struct {
		name   string
		change func(*Facts, *Wanted)
		want   []string // a part of each problem, in order
	}{
		{"all there", func(*Facts, *Wanted) {}, nil},
		{"a user", func(f *Facts, _ *Wanted) { *f = Facts{} }, []string{"not root"}},
		{"packages", func(f *Facts, _ *Wanted) { f.MissingCommands = []string{"nft", "qemu-system-x86_64"} }, []string{"apt-get install nftables qemu-system-x86"}},
		{"not built", func(f *Facts, _ *Wanted) { f.MissingFiles = []string{"hostd"} }, []string{"hostd in /b"}},
		{"small", func(f *Facts, _ *Wanted) { f.MemoryAvailable, f.DiskFree = 1<<30, 1<<30 }, []string{"1.0 GiB of memory", "1.0 GiB free"}},
		{"small, but it runs", func(f *Facts, _ *Wanted) { f.MemoryAvailable, f.DiskFree, f.Running = 1<<30, 1<<30, true }, nil},
		{"no kvm, not wanted", func(f *Facts, _ *Wanted) { f.KVMDevice = false }, nil},
		{"no kvm, wanted", func(f *Facts, w *Wanted) { f.KVMDevice, w.Accelerator = false, "kvm" }, []string{"/dev/kvm"}},
		{"addresses taken", func(f *Facts, _ *Wanted) { f.Subnet = errors.New("a route to 10.77.1.0/24") }, []string{"a route to 10.77.1.0/24\n    remove that route"}},
		{"several", func(f *Facts, _ *Wanted) {
			f.TunDevice, f.MissingCgroups, f.Kernel = false, []string{"pids"}, []error{errors.New("VXLAN")}
		}, []string{"/dev/net/tun", "pids", "VXLAN"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			facts, w := good, wanted
			c.change(&facts, &w)
			got := Problems(facts, w)
			if len(got) != len(c.want) {
				t.Fatalf("got %v", got)
			}
			for i, part := range c.want {
				if !strings.Contains(got[i].String(), part) {
					t.Errorf("%q is not in %q", part, got[i])
				}
			}
		})
	}
}

func TestProblemsOfAHost(t *testing.T) {
	wanted := HostWanted{Accelerator: "auto", Dir: "/d", BinDir: "/b", Address: "10.0.0.11"}
	good := HostFacts{Facts: Facts{Root: true, MemoryAvailable: 8 << 30, DiskFree: 50 << 30, TunDevice: true}, Interface: "eth0", Forwards: true}
	for name, c := range map[string]struct {
		change func(*HostFacts)
		want   string
	}{
		"nothing":         {func(*HostFacts) {}, ""},
		"not root":        {func(f *HostFacts) { f.Root = false }, "not root"},
		"no QEMU":         {func(f *HostFacts) { f.MissingCommands = []string{"qemu-system-x86_64"} }, "apt-get install qemu-system-x86"},
		"no programs":     {func(f *HostFacts) { f.MissingFiles = []string{"hostd"} }, "hostd in /b"},
		"foreign address": {func(f *HostFacts) { f.Interface = "" }, "no interface has the address 10.0.0.11"},
		"port taken":      {func(f *HostFacts) { f.Taken = []error{errors.New("port 7443/tcp")} }, "port 7443/tcp of 10.0.0.11 is taken"},
		"no forwarding":   {func(f *HostFacts) { f.Forwards = false }, "/proc/sys is read-only"},
		"no tun":          {func(f *HostFacts) { f.TunDevice = false }, "modprobe tun"},
		"small":           {func(f *HostFacts) { f.MemoryAvailable = 1 << 20 }, "a host needs 1.0 GiB"},
		"full":            {func(f *HostFacts) { f.DiskFree = 1 << 20 }, "--dir"},
	} {
		facts := good
		c.change(&facts)
		got := ""
		for _, p := range HostProblems(facts, wanted) {
			got += p.String()
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

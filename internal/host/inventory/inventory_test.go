package inventory

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/vmm"
)

func TestDescribeShowsWhatLeaked(t *testing.T) {
	machines := []*hostv1.VirtualMachine{{
		Phase: hostv1.VirtualMachine_RUNNING, Pid: 1,
		Spec: &hostv1.VirtualMachineSpec{
			Id: "a", Name: "default/web", Ports: []*hostv1.Port{{Name: "eth0"}}, Disks: []*hostv1.DiskAttachment{{DiskId: "a-ephemeral"}},
			Type: &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: hostv1.Crx_UNMANAGED, Personality: "fetcher"}},
		},
	}}
	found := []vmm.Found{{MachineID: "a", Process: vmm.Identity{PID: 7}}, {MachineID: "lost", Process: vmm.Identity{PID: 8}}}
	tap := hostv1.TapName("a")
	have := describe(machines, found, []string{tap, "tap000000000000"}, []string{"/p/a.vm", "/p/lost.vm"}, []file{
		{path: "/s/images/ab/disk", id: "image-ab", image: "sha256:ab", bytes: 3},
		{path: "/s/disks/a-ephemeral/disk.raw", id: "a-ephemeral", bytes: 1},
		{path: "/s/disks/lost/disk.raw", id: "lost", bytes: 2},
	})
	want := &hostv1.GetInventoryResponse{}
	err := prototext.Unmarshal([]byte(`
		machines { id: "a" name: "default/web" type: "crx" mode: "unmanaged" personality: "fetcher" pid: 7 phase: "RUNNING" }
		machines { id: "lost" pid: 8 phase: "ORPHAN" }
		taps { name: "`+tap+`" owner: "a" }
		taps { name: "tap000000000000" }
		disks { name: "/s/disks/a-ephemeral/disk.raw" owner: "a" bytes: 1 }
		disks { name: "/s/disks/lost/disk.raw" bytes: 2 }
		disks { name: "/s/images/ab/disk" owner: "sha256:ab" bytes: 3 }
		cgroups { name: "/p/a.vm" owner: "a" }
		cgroups { name: "/p/lost.vm" }`), want)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(have, want) {
		t.Errorf("have %s\nwant %s", prototext.Format(have), prototext.Format(want))
	}
}

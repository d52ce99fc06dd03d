package machine

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
)

func sound() *hostv1.VirtualMachineSpec {
	return &hostv1.VirtualMachineSpec{
		Id: "a", Vcpus: 1, MemoryBytes: 128 << 20,
		Type: &hostv1.VirtualMachineSpec_Crx{Crx: &hostv1.Crx{Mode: hostv1.Crx_MANAGED, Personality: "agent"}},
	}
}

func TestValidate(t *testing.T) {
	if err := validate(sound()); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*hostv1.VirtualMachineSpec){
		"id":          func(s *hostv1.VirtualMachineSpec) { s.Id = "../a" },
		"no id":       func(s *hostv1.VirtualMachineSpec) { s.Id = "" },
		"vcpus":       func(s *hostv1.VirtualMachineSpec) { s.Vcpus = 0 },
		"memory":      func(s *hostv1.VirtualMachineSpec) { s.MemoryBytes = 1 << 20 },
		"odd memory":  func(s *hostv1.VirtualMachineSpec) { s.MemoryBytes = 128<<20 + 1 },
		"pool":        func(s *hostv1.VirtualMachineSpec) { s.ResourcePool = "a/../../b" },
		"pool suffix": func(s *hostv1.VirtualMachineSpec) { s.ResourcePool = "a.vm" },
		"ports":       func(s *hostv1.VirtualMachineSpec) { s.Ports = make([]*hostv1.Port, 9) },
		"mac":         func(s *hostv1.VirtualMachineSpec) { s.Ports = []*hostv1.Port{{Mac: "no,romfile=/etc/passwd"}} },
		"no type":     func(s *hostv1.VirtualMachineSpec) { s.Type = nil },
		"mode":        func(s *hostv1.VirtualMachineSpec) { s.GetCrx().Mode = 0 },
		"firmware": func(s *hostv1.VirtualMachineSpec) {
			s.Type = &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{Firmware: "/etc/passwd"}}
		},
		"network": func(s *hostv1.VirtualMachineSpec) { s.Ports = []*hostv1.Port{{Network: "br0"}} },
		"restart": func(s *hostv1.VirtualMachineSpec) { s.RestartPolicy = 7 },
		"image without disks": func(s *hostv1.VirtualMachineSpec) {
			s.Type = &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{Image: "supervisor"}}
		},
		"image with firmware": func(s *hostv1.VirtualMachineSpec) {
			s.Type = &hostv1.VirtualMachineSpec_Guest{Guest: &hostv1.Guest{Image: "supervisor", Firmware: "uefi"}}
			s.Disks = []*hostv1.DiskAttachment{{DiskId: "data"}, {DiskId: "seed", ReadOnly: true}}
		},
	} {
		spec := sound()
		spoil(spec)
		if err := validate(spec); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v, want INVALID_ARGUMENT", name, err)
		}
	}
}

func TestDirNamesAreShortAndDistinct(t *testing.T) {
	uuid := "11111111-2222-3333-4444-555555555555"
	if dirName(uuid) != uuid {
		t.Errorf("a UUID becomes %s", dirName(uuid))
	}
	a, b := dirName(strings.Repeat("x", 62)+"a"), dirName(strings.Repeat("x", 62)+"b")
	if a == b || len(a) > maxDirName || len(b) > maxDirName {
		t.Errorf("%s and %s", a, b)
	}
}

func TestUsersAreDistinct(t *testing.T) {
	taken := map[uint32]bool{}
	for range 3 {
		uid := chooseUID("host", "a", func(uid uint32) bool { return taken[uid] })
		if taken[uid] || uid < firstUID || uid > firstUID+uids {
			t.Errorf("user %d", uid)
		}
		taken[uid] = true
	}
	if chooseUID("host", "a", func(uint32) bool { return false }) == chooseUID("other", "a", func(uint32) bool { return false }) {
		t.Error("two hosts on one machine share a user")
	}
}

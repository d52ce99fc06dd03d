package server

import (
	"testing"

	hostv1 "pacific/api/host/v1"
)

func TestPermits(t *testing.T) {
	const host = "host-1"
	for _, c := range []struct {
		client, method string
		want           bool
	}{
		{"admin", hostv1.Host_GetInventory_FullMethodName, true},
		{"admin", hostv1.Images_Pull_FullMethodName, true},
		{"spherelet:host-1", hostv1.VirtualMachines_Create_FullMethodName, true},
		{"spherelet:host-1", hostv1.VirtualMachines_Watch_FullMethodName, true},
		{"spherelet:host-1", hostv1.Disks_Delete_FullMethodName, true},
		{"spherelet:host-1", hostv1.Images_Get_FullMethodName, true},
		{"spherelet:host-1", hostv1.Images_Pull_FullMethodName, false},
		{"spherelet:host-1", hostv1.Host_GetHost_FullMethodName, true},
		{"spherelet:host-1", hostv1.Host_GetInventory_FullMethodName, false},
		{"spherelet:host-2", hostv1.VirtualMachines_List_FullMethodName, false},
		{"spherelet:", hostv1.VirtualMachines_List_FullMethodName, false},
		{"image-controller", hostv1.Images_Pull_FullMethodName, true},
		{"image-controller", hostv1.Host_GetHost_FullMethodName, true},
		{"image-controller", hostv1.VirtualMachines_List_FullMethodName, false},
		{"center", hostv1.VirtualMachines_Create_FullMethodName, true},
		{"center", hostv1.VirtualMachines_Watch_FullMethodName, true},
		{"center", hostv1.Host_GetInventory_FullMethodName, true},
		{"center", hostv1.Images_Pull_FullMethodName, true},
		{"center", hostv1.Pools_SetPool_FullMethodName, true},
		{"center", hostv1.Pools_ListPools_FullMethodName, true},
		{"spherelet:host-1", hostv1.Pools_SetPool_FullMethodName, false},
		{"", hostv1.Host_GetHost_FullMethodName, false},
		{"somebody", hostv1.Host_GetHost_FullMethodName, false},
	} {
		if have := permits(host, c.client, c.method); have != c.want {
			t.Errorf("%q calls %s: %v, want %v", c.client, c.method, have, c.want)
		}
	}
}

// Package inventory looks at the host itself: processes, links, files, cgroups. The records only tell whose they are, so
// that what leaked shows, with an empty owner.
package inventory

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/cgroup"
	"pacific/internal/host/disk"
	"pacific/internal/host/machine"
	"pacific/internal/host/port"
	"pacific/internal/host/standby"
	"pacific/internal/host/vmm"
)

// Host is where to look.
type Host struct {
	StateDir, RunDir string
	VMM              vmm.VMM
	Cgroups          *cgroup.Tree
}

// Take looks at the host. machines are the records, owners the machine of each VMM by the name that it was launched with; a
// standby machine, which waits for one, has none.
func (h *Host) Take(machines []*hostv1.VirtualMachine, owners map[string]string) (*hostv1.GetInventoryResponse, error) {
	found, err := h.VMM.Find(machine.RunDirs(h.RunDir))
	if err != nil {
		return nil, fmt.Errorf("look for VMM processes: %w", err)
	}
	standbys, err := standby.Traces{RunDir: h.RunDir, VMM: h.VMM, Cgroups: h.Cgroups}.Find()
	if err != nil {
		return nil, fmt.Errorf("look for VMM processes: %w", err)
	}
	found = append(found, taken(standbys, owners)...)
	taps, err := port.List()
	if err != nil {
		return nil, err
	}
	groups, err := h.Cgroups.List()
	if err != nil {
		return nil, err
	}
	files, err := h.diskFiles()
	if err != nil {
		return nil, err
	}
	return describe(machines, found, taps, groups, files), nil
}

// taken are the standby machines that have become others.
func taken(standbys []vmm.Found, owners map[string]string) []vmm.Found {
	var all []vmm.Found
	for _, f := range standbys {
		if id := owners[f.MachineID]; id != "" {
			all = append(all, vmm.Found{Process: f.Process, MachineID: id})
		}
	}
	return all
}

// file of a disk.
type file struct {
	path, id string
	image    string // digest of the image it holds
	bytes    uint64
}

func (h *Host) diskFiles() ([]file, error) {
	// No pattern for the whole path: the state directory may have a name that is one itself.
	var files []file
	disks, err := os.ReadDir(filepath.Join(h.StateDir, "disks"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, entry := range disks {
		path := filepath.Join(h.StateDir, "disks", entry.Name(), "disk.raw")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		files = append(files, file{path: path, id: entry.Name(), bytes: disk.Allocated(path)})
	}
	images, err := os.ReadDir(filepath.Join(h.StateDir, "images"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, image := range images {
		path := filepath.Join(h.StateDir, "images", image.Name(), "disk")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		files = append(files, file{
			path: path, id: "image-" + image.Name(), image: "sha256:" + image.Name(), bytes: disk.Allocated(path),
		})
	}
	return files, nil
}

// describe puts what was found and the records together.
func describe(machines []*hostv1.VirtualMachine, found []vmm.Found, taps, groups []string, files []file) *hostv1.GetInventoryResponse {
	out := &hostv1.GetInventoryResponse{}
	running := map[string]int{}
	for _, f := range found {
		running[f.MachineID] = f.Process.PID
	}
	known, tapOwner, diskOwner := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, vm := range machines {
		id := vm.Spec.Id
		known[id] = true
		for i, p := range vm.Spec.Ports {
			tapOwner[machine.PortName(id, i, p)] = id
		}
		for _, d := range vm.Spec.Disks {
			diskOwner[d.DiskId] = id
		}
		out.Machines = append(out.Machines, entry(vm, running[id]))
	}
	for _, f := range found {
		if !known[f.MachineID] {
			out.Machines = append(out.Machines, &hostv1.InventoryMachine{Id: f.MachineID, Pid: int32(f.Process.PID), Phase: "ORPHAN"})
		}
	}
	for _, tap := range taps {
		out.Taps = append(out.Taps, &hostv1.InventoryItem{Name: tap, Owner: tapOwner[tap]})
	}
	for _, group := range groups {
		owner := cgroup.MachineID(group)
		if !known[owner] {
			owner = ""
		}
		out.Cgroups = append(out.Cgroups, &hostv1.InventoryItem{Name: group, Owner: owner})
	}
	for _, f := range files {
		out.Disks = append(out.Disks, &hostv1.InventoryItem{Name: f.path, Owner: ownerOf(f, diskOwner), Bytes: f.bytes})
	}
	slices.SortFunc(out.Disks, func(a, b *hostv1.InventoryItem) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// ownerOf a disk: an image outlives the machines that use it; another disk without a machine is an orphan.
func ownerOf(f file, diskOwner map[string]string) string {
	if f.image != "" {
		return f.image
	}
	return diskOwner[f.id]
}

// entry of a machine that has a record. The process is the one that was found, not the one that was written down.
func entry(vm *hostv1.VirtualMachine, pid int) *hostv1.InventoryMachine {
	m := &hostv1.InventoryMachine{
		Id: vm.Spec.Id, Name: vm.Spec.Name, Type: "vm", Pid: int32(pid), Labels: vm.Spec.Labels, Phase: vm.Phase.String(),
	}
	if c := vm.Spec.GetCrx(); c != nil {
		m.Type, m.Mode, m.Personality = "crx", "managed", c.Personality
		if machine.Unmanaged(vm.Spec) {
			m.Mode = "unmanaged"
		}
	}
	return m
}

package standby

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"pacific/api/crx"
	"pacific/internal/host/cgroup"
	guest "pacific/internal/host/crx"
	"pacific/internal/host/port"
	"pacific/internal/host/template"
	"pacific/internal/host/vmm"
	"pacific/internal/host/vmm/qemu"
)

// makeLimit is for the clone and its rehearsal, without what it waits for a processor: it has the least weight on the host.
const makeLimit = 30 * time.Second

// leastShares is the least weight that there is, and lastOOMScore makes a standby the first to be killed when the host has no
// memory left.
const (
	leastShares  = 2
	lastOOMScore = 1000
)

// make makes a standby machine. It leaves nothing when it fails.
func (s *Standbys) make(ctx context.Context, class template.Class) (*Standby, error) {
	copy, reason := s.Templates.Get(class)
	if copy == nil {
		return nil, errors.New(reason)
	}
	defer copy.Close()
	id, uid, err := s.claim(rand.Uint32N)
	if err != nil {
		return nil, err
	}
	made, err := s.launch(ctx, id, uid, class, copy)
	if err != nil {
		return nil, errors.Join(err, vmm.Complaint(err, s.Dir(id)), s.Remove(id))
	}
	return made, nil
}

func (s *Standbys) launch(ctx context.Context, id string, uid uint32, class template.Class, copy *template.Copy) (*Standby, error) {
	m, err := s.machine(id, uid, class, copy)
	if err != nil {
		return nil, err
	}
	process, err := s.VMM.Launch(m)
	vmm.CloseTaps(m.Ports)
	if err != nil {
		return nil, err
	}
	ctx, cancel := vmm.Patience(ctx, process, makeLimit)
	defer cancel()
	made, err := s.prepare(ctx, id, class, copy, process)
	if err != nil {
		return nil, errors.Join(err, vmm.End(process.Identity), process.Close())
	}
	return made, nil
}

// machine is that of the template's clones.
func (s *Standbys) machine(id string, uid uint32, class template.Class, copy *template.Copy) (vmm.Machine, error) {
	m := vmm.Machine{
		ID: id, Dir: s.Dir(id), Accelerator: s.Accelerator(), VCPUs: class.VCPUs, MemoryBytes: class.MemoryBytes, UID: uid,
		Kernel: &vmm.Kernel{ACPI: s.Guest.Modular()}, Memory: &vmm.Memory{File: copy.Memory, Clone: true}, Standby: true,
	}
	for i := range class.Ports {
		tap, err := port.OpenSpare(id, i)
		if err != nil {
			vmm.CloseTaps(m.Ports)
			return m, err
		}
		m.Ports = append(m.Ports, vmm.Port{MAC: port.MAC(id, i), Tap: tap})
	}
	return m, nil
}

func (s *Standbys) prepare(ctx context.Context, id string, class template.Class, copy *template.Copy, process *vmm.Process) (*Standby, error) {
	group := s.Cgroups.Standby(id)
	limits := cgroup.Limits{MemoryBytes: qemu.MemoryLimit(class.MemoryBytes, true), Shares: leastShares, OOMScoreAdj: lastOOMScore}
	if err := s.Cgroups.Place(group, limits, process.PID); err != nil {
		return nil, err
	}
	conn, err := s.VMM.Connect(ctx, s.Dir(id))
	if err != nil {
		return nil, err
	}
	init, err := guest.DialInit(filepath.Join(s.Dir(id), vmm.InitSocket))
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	made := &Standby{ID: id, Class: class, Process: process, Conn: conn, Init: init, template: copy.ID}
	err = s.rehearse(ctx, made, copy)
	var usage cgroup.Usage
	if err == nil {
		usage, err = s.Cgroups.Usage(group)
	}
	if err != nil {
		return nil, errors.Join(err, init.Close(), conn.Close())
	}
	made.bytes = usage.MemoryBytes
	return made, nil
}

// rehearse restores the clone, lets it rehearse with disks, and stops it.
func (s *Standbys) rehearse(ctx context.Context, made *Standby, copy *template.Copy) error {
	snapshotter, can := made.Conn.(vmm.Snapshotter)
	pauser, also := made.Conn.(vmm.Pauser)
	if !can || !also {
		return errors.New("the VMM cannot clone and stop machines")
	}
	if err := snapshotter.Restore(ctx, copy.State); err != nil {
		return err
	}
	disks := []vmm.Disk{{LUN: crx.RehearsalDisk}, {LUN: crx.RehearsalImage, ReadOnly: true}}
	for _, disk := range disks {
		if err := s.plug(ctx, made.Conn, disk); err != nil {
			return err
		}
	}
	if err := made.perform(ctx); err != nil {
		return err
	}
	for _, disk := range disks {
		if err := made.Conn.Unplug(ctx, disk.LUN); err != nil {
			return err
		}
	}
	return pauser.Pause(ctx)
}

func (s *Standbys) plug(ctx context.Context, conn vmm.Connection, disk vmm.Disk) error {
	var err error
	if disk.File, err = s.Scratch(ctx, disk.ReadOnly); err != nil {
		return fmt.Errorf("disk of the rehearsal: %w", err)
	}
	defer disk.File.Close()
	return conn.Plug(ctx, disk)
}

// perform runs the guest, as somebody that no machine will be, until it has rehearsed.
func (s *Standby) perform(ctx context.Context) error {
	if err := s.Conn.Run(ctx); err != nil {
		return err
	}
	var macs []string
	for i := range s.Class.Ports {
		macs = append(macs, port.MAC(s.ID, i))
	}
	identity := guest.NewIdentity(s.ID, macs)
	identity.Rehearse = true
	if err := s.Init.Become(ctx, identity); err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	return nil
}

package machine

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pacific/internal/host/cgroup"
	"pacific/internal/host/port"
	"pacific/internal/host/standby"
	"pacific/internal/host/vmm"
)

// recover brings records and host together after a start of hostd.
func (m *Manager) recover() error {
	all, err := m.records.load()
	if err != nil {
		return err
	}
	found, err := m.vmms()
	if err != nil {
		return err
	}
	boot, err := vmm.BootID()
	if err != nil {
		return err
	}
	if err := m.sweep(all, found); err != nil {
		return err
	}
	for _, record := range all {
		m.mu.Lock()
		a := m.add(record)
		m.mu.Unlock()
		event := Restarted{At: time.Now(), Alive: alive(record, found)}
		if p := record.State.Process; p != nil {
			event.Rebooted = p.Boot != boot
		}
		a.post(event)
	}
	return m.settle()
}

// vmms finds all VMMs of machines and of standby machines.
func (m *Manager) vmms() ([]vmm.Found, error) {
	found, err := m.VMM.Find(RunDirs(m.RunDir))
	if err != nil {
		return nil, err
	}
	standbys, err := m.traces().Find()
	return append(found, standbys...), err
}

// settle waits until each machine has handled what was posted to it.
func (m *Manager) settle() error {
	for _, a := range m.all() {
		err := a.ask(context.Background(), nothing{}, nil)
		if err != nil && !errors.Is(err, ErrDestroying) {
			return err
		}
	}
	return nil
}

// nothing is an event that only marks a place in the queue.
type nothing struct{}

func (nothing) event() {}

func alive(record Record, found []vmm.Found) bool {
	return slices.ContainsFunc(found, func(f vmm.Found) bool {
		return f.MachineID == record.vmm() && record.State.Process != nil && f.Process == *record.State.Process
	})
}

// sweep ends and deletes what belongs to no machine that may have it. Machines clean up after themselves; this is for what
// a lost record or a failed disk left.
func (m *Manager) sweep(all []Record, found []vmm.Found) error {
	active, taken := map[string]bool{}, map[string]bool{}
	taps, dirs := map[string]bool{}, map[string]bool{}
	for _, record := range all {
		if !record.State.Phase.Active() {
			continue
		}
		id := record.Spec.GetId()
		active[id], taken[record.State.Standby], dirs[dirName(id)] = true, true, true
		for i := range record.Spec.GetPorts() {
			taps[portName(record.Spec, i)] = true
		}
	}
	for _, f := range found {
		if !active[f.MachineID] && !standby.IsID(f.MachineID) {
			slog.Warn("ending a VMM that has no record", "machine", f.MachineID, "pid", f.Process.PID)
			if err := vmm.End(f.Process); err != nil {
				return err
			}
		}
	}
	return errors.Join(m.sweepCgroups(active), sweepTaps(taps), m.sweepDirs(dirs), m.traces().Sweep(taken))
}

func (m *Manager) sweepCgroups(active map[string]bool) error {
	paths, err := m.Cgroups.List()
	if err != nil {
		return err
	}
	for _, path := range paths {
		if !active[cgroup.MachineID(path)] {
			err = errors.Join(err, m.Cgroups.Remove(path))
		}
	}
	return errors.Join(err, m.Cgroups.Tidy())
}

func sweepTaps(keep map[string]bool) error {
	names, err := port.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !keep[name] {
			err = errors.Join(err, port.Delete(name))
		}
	}
	return err
}

func (m *Manager) sweepDirs(keep map[string]bool) error {
	entries, err := os.ReadDir(RunDirs(m.RunDir))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !keep[entry.Name()] {
			err = errors.Join(err, os.RemoveAll(filepath.Join(RunDirs(m.RunDir), entry.Name())))
		}
	}
	return err
}

// endProcesses kills the VMMs of a machine, whoever launched them.
func (m *Manager) endProcesses(id string) error {
	found, err := m.VMM.Find(RunDirs(m.RunDir))
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.MachineID == id {
			err = errors.Join(err, vmm.End(f.Process))
		}
	}
	return err
}

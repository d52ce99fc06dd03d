package machine

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/host/pool"
)

// admissible refuses a machine that this host can never run.
func (m *Manager) admissible(spec *hostv1.VirtualMachineSpec) error {
	if err := validate(spec); err != nil {
		return err
	}
	id := spec.GetId()
	if spec.GetVcpus() > m.CPUs {
		return status.Errorf(codes.InvalidArgument, "machine %s wants %d virtual processors; host %s has %d", id, spec.GetVcpus(), m.HostName, m.CPUs)
	}
	// What is asked for counts, not the size class that it is rounded up to.
	if wanted := spec.GetMemoryBytes(); wanted > m.MemoryBytes {
		return status.Errorf(codes.InvalidArgument, "machine %s wants %d MiB of memory; host %s has %d MiB", id, wanted>>20, m.HostName, m.MemoryBytes>>20)
	}
	if err := m.placeable(spec); err != nil {
		return err
	}
	if c := spec.GetCrx(); c != nil {
		if err := m.Guest.Check(c.GetPersonality()); err != nil {
			return status.Errorf(codes.InvalidArgument, "machine %s: %v", id, err)
		}
	}
	return nil
}

// placeable refuses what this host has not: an image, or a management network.
func (m *Manager) placeable(spec *hostv1.VirtualMachineSpec) error {
	if image := spec.GetGuest().GetImage(); image != "" {
		if err := m.Guest.CheckImage(image); err != nil {
			return status.Errorf(codes.InvalidArgument, "machine %s: %v", spec.GetId(), err)
		}
	}
	for _, p := range spec.GetPorts() {
		if p.GetNetwork() == NetworkManagement && m.ManagementBridge == "" {
			return status.Errorf(codes.InvalidArgument,
				"machine %s: port %s is for the management network, and host %s has no bridge for it; start hostd with --management-bridge",
				spec.GetId(), p.GetName(), m.HostName)
		}
	}
	return nil
}

// reservation is the memory that a machine is guaranteed.
func reservation(spec *hostv1.VirtualMachineSpec) uint64 {
	if r := spec.GetMemoryReservationBytes(); r != 0 {
		return r
	}
	return spec.GetMemoryBytes()
}

// Reserved is the memory that running machines and resource pools are guaranteed together, with what standby machines take until somebody
// needs it.
func (m *Manager) Reserved() uint64 {
	return m.Pools.Reserved(m.Members()) + m.Standbys.Bytes()
}

// Members of the resource pools are the machines that run or are about to.
func (m *Manager) Members() []pool.Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.members("")
}

// members leaves out one machine; called with the lock held.
func (m *Manager) members(except string) []pool.Member {
	var all []pool.Member
	for id, other := range m.actors {
		if id == except {
			continue
		}
		if record := other.snapshot(); m.admitted[id] || record.State.HoldsMemory() {
			all = append(all, member(record))
		}
	}
	return all
}

func member(r Record) pool.Member {
	m := pool.Member{
		ID: r.Spec.GetId(), Pool: r.Spec.GetResourcePool(), Reserved: reservation(r.Spec), VCPUs: r.Spec.GetVcpus(), Standby: r.State.Standby,
	}
	if r.State.Process != nil {
		m.Waited = r.State.Process.Waited
	}
	return m
}

// roomPatience is how long a start waits for a larger part of the limit that its pool has on all hosts: whoever divides that looks
// every second.
const roomPatience = 5 * time.Second

// admitPatiently waits a moment where the pool's limit may just be on another host.
func (m *Manager) admitPatiently(ctx context.Context, a *actor) error {
	ctx, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	for {
		changed := m.Pools.Changed()
		err := m.admit(a)
		var refusal *pool.Refusal
		if !errors.As(err, &refusal) || !refusal.MayPass() {
			return m.counted(err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return m.counted(err)
		}
	}
}

// counted counts a start that is refused.
func (m *Manager) counted(err error) error {
	if err != nil {
		m.mu.Lock()
		m.refused++
		m.mu.Unlock()
	}
	return err
}

// admit keeps the reservations of machines and pools within the host's memory, and machines within that of their pools.
func (m *Manager) admit(a *actor) error {
	defer func() { go m.Relieve() }() // nobody waits for it
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.state().Phase.Active() {
		return nil
	}
	want, running := member(a.snapshot()), m.members(a.id)
	if after := m.Pools.Reserved(append(running, want)); after > m.MemoryBytes {
		return status.Errorf(codes.ResourceExhausted,
			"machine %s reserves %d MiB of memory; host %s has %d MiB, of which running machines and resource pools reserve %d MiB: stop one or try another host",
			a.id, want.Reserved>>20, m.HostName, m.MemoryBytes>>20, m.Pools.Reserved(running)>>20)
	}
	if err := m.Pools.Admit(want, running); err != nil {
		return err
	}
	m.admitted[a.id] = true
	return nil
}

// Admission is the memory that machines may reserve together, what those that run and the resource pools reserve, both in bytes, and how
// many starts were refused for lack of it.
func (m *Manager) Admission() (capacity, used, refused uint64) {
	reserved := m.Pools.Reserved(m.Members())
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.MemoryBytes, reserved, m.refused
}

func (m *Manager) dismiss(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.admitted, id)
}

// SetPool gives a resource pool its limits. No start comes between the look at what runs and the new reservations.
func (m *Manager) SetPool(p *hostv1.Pool) error {
	m.mu.Lock()
	err := m.Pools.Put(p, m.members(""))
	m.mu.Unlock()
	if err != nil {
		return err
	}
	return m.Pools.Commit(m.Members())
}

// DeletePool takes the limits of a resource pool away. One that is gone is no error.
func (m *Manager) DeletePool(path string) error {
	m.Pools.Drop(path)
	return m.Pools.Commit(m.Members())
}

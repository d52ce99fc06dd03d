package machine

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hostv1 "pacific/api/host/v1"
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
	if c := spec.GetCrx(); c != nil {
		if err := m.Guest.Check(c.GetPersonality()); err != nil {
			return status.Errorf(codes.InvalidArgument, "machine %s: %v", id, err)
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

// Reserved is the memory that running machines are guaranteed together, with what standby machines take until somebody needs it.
func (m *Manager) Reserved() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reserved("") + m.Standbys.Bytes()
}

// reserved leaves out one machine; called with the lock held.
func (m *Manager) reserved(except string) uint64 {
	var sum uint64
	for id, other := range m.actors {
		if id != except && (m.admitted[id] || other.state().Phase.Active()) {
			sum += reservation(other.record.Spec)
		}
	}
	return sum
}

// admit keeps the reservations of running machines within the host's memory.
func (m *Manager) admit(a *actor) error {
	defer func() { go m.Relieve() }() // nobody waits for it
	m.mu.Lock()
	defer m.mu.Unlock()
	if a.state().Phase.Active() {
		return nil
	}
	want, used := reservation(a.record.Spec), m.reserved(a.id)
	if used+want > m.MemoryBytes {
		m.refused++
		return status.Errorf(codes.ResourceExhausted,
			"machine %s reserves %d MiB of memory; host %s has %d MiB, of which running machines reserve %d MiB: stop one or try another host",
			a.id, want>>20, m.HostName, m.MemoryBytes>>20, used>>20)
	}
	m.admitted[a.id] = true
	return nil
}

// Admission is the memory that machines may reserve together, what those that run reserve, both in bytes, and how many
// starts were refused for lack of it.
func (m *Manager) Admission() (capacity, used, refused uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.MemoryBytes, m.reserved(""), m.refused
}

func (m *Manager) dismiss(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.admitted, id)
}

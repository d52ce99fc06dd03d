package machine

import (
	"context"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"pacific/internal/host/port"
	"pacific/internal/host/standby"
	"pacific/internal/host/vmm"
)

// takeStandby takes a standby machine for this one, where there is one. Nothing is done with it until the machine's record has
// its name.
func (a *actor) takeStandby(run uint32) (Event, bool) {
	record := a.snapshot()
	if record.Spec.GetCrx() == nil || a.avoid == run {
		return nil, false
	}
	if a.standby = a.host.Standbys.Take(class(record.Spec)); a.standby == nil {
		return nil, false
	}
	return Took{Run: run, Standby: a.standby.ID}, true
}

// takeOver makes the standby machine to this one.
func (a *actor) takeOver(run uint32) Event {
	taken := a.standby
	a.standby = nil
	s := newSession(run, a.dir(), taken.Process)
	s.conn, s.init = taken.Conn, taken.Init
	ctx, cancel := vmm.Patience(context.Background(), s.process, cloneLimit)
	defer cancel()
	if err := a.assume(ctx, s, taken); err != nil {
		slog.Warn("standby machine cannot be taken over", "machine", a.id, "standby", taken.ID, "err", err)
		_, _ = s.close(), s.process.Close() // its process is ended with all else of it
		a.avoid = run
		return TakeOverFailed{Run: run}
	}
	starts.count("standby", "")
	return a.launched(s)
}

// assume gives the standby what the machine has: weight and limits, ports, disks, an identity.
func (a *actor) assume(ctx context.Context, s *session, taken *standby.Standby) error {
	record := a.snapshot()
	work, ctx := errgroup.WithContext(ctx)
	// The kernel takes its time for a link's name, and the guest needs the link last.
	work.Go(func() error {
		for i := range record.Spec.GetPorts() {
			if err := port.Adopt(taken.ID, i, a.id); err != nil {
				return err
			}
		}
		return nil
	})
	work.Go(func() error {
		if err := a.host.Cgroups.Place(a.cgroup(), limits(record.Spec), s.process.PID); err != nil {
			return err
		}
		if err := a.letGo(ctx, s, record); err != nil {
			return err
		}
		return s.individualize(ctx, record)
	})
	return work.Wait()
}

// traces of standby machines on this host.
func (m *Manager) traces() standby.Traces {
	return standby.Traces{RunDir: m.RunDir, VMM: m.VMM, Cgroups: m.Cgroups}
}

// vmm is the name that the machine's VMM was launched with.
func (r Record) vmm() string {
	if r.State.Standby != "" {
		return r.State.Standby
	}
	return r.Spec.GetId()
}

// VMMs tells whose each VMM is that may be on the host, by the name that it was launched with.
func (m *Manager) VMMs() map[string]string {
	owners := map[string]string{}
	for _, a := range m.all() {
		owners[a.snapshot().vmm()] = a.id
	}
	return owners
}

// Running are the VMMs of CRXs that are ready.
func (m *Manager) Running() []vmm.Identity {
	var all []vmm.Identity
	for _, a := range m.all() {
		if r := a.snapshot(); r.State.Phase.up() && r.Spec.GetCrx() != nil && !r.State.ReadyAt.IsZero() && r.State.Process != nil {
			all = append(all, *r.State.Process)
		}
	}
	return all
}

// Room is the memory in bytes that neither reservations nor use of machines leave for others.
func (m *Manager) Room() uint64 {
	reserved := m.Reserved()
	used, err := m.Cgroups.Total()
	if err != nil {
		slog.Warn("memory of the machines cannot be measured", "err", err)
		return 0
	}
	return m.MemoryBytes - min(m.MemoryBytes, max(reserved, used.WorkingSet))
}

// Relieve gives up standby machines when the host gets short of memory, before anybody ends pods for it.
func (m *Manager) Relieve() { m.Standbys.Relieve(m.Room()) }

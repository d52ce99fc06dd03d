package machine

import (
	"context"
	"testing"

	hostv1 "pacific/api/host/v1"
)

func TestWatchCoalescesAndHides(t *testing.T) {
	m := &Manager{actors: map[string]*actor{}}
	m.hub.watchers = map[*Watcher]bool{}
	put := func(id string, mode hostv1.Crx_Mode, phase Phase) {
		spec := sound()
		spec.Id, spec.GetCrx().Mode = id, mode
		m.mu.Lock()
		m.actors[id] = newActor(m, Record{Spec: spec, State: State{Phase: phase}})
		m.mu.Unlock()
		m.hub.mark(id)
	}
	put("a", hostv1.Crx_MANAGED, Created)
	put("hidden", hostv1.Crx_UNMANAGED, Created)
	w := m.Watch(false)
	defer w.Close()
	next := func(want hostv1.WatchEvent_Type, id string, phase hostv1.VirtualMachine_Phase) {
		t.Helper()
		e, err := w.Next(context.Background())
		if err != nil || e.Type != want || e.GetMachine().GetSpec().GetId() != id || e.GetMachine().GetPhase() != phase {
			t.Errorf("%v %v, want %v %s %v", e, err, want, id, phase)
		}
	}
	next(hostv1.WatchEvent_ADDED, "a", hostv1.VirtualMachine_CREATED)
	next(hostv1.WatchEvent_SYNCED, "", 0)
	// What changes twice while nobody reads is told once, what comes and goes not at all.
	put("a", hostv1.Crx_MANAGED, Running)
	put("a", hostv1.Crx_MANAGED, Stopped)
	put("b", hostv1.Crx_MANAGED, Created)
	m.forget("b")
	m.hub.mark("b")
	put("c", hostv1.Crx_MANAGED, Running)
	next(hostv1.WatchEvent_MODIFIED, "a", hostv1.VirtualMachine_STOPPED)
	next(hostv1.WatchEvent_ADDED, "c", hostv1.VirtualMachine_RUNNING)
	m.forget("a")
	m.hub.mark("a")
	next(hostv1.WatchEvent_DELETED, "a", hostv1.VirtualMachine_STOPPED)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e, err := w.Next(ctx); err == nil {
		t.Errorf("%v, want nothing more", e)
	}
}

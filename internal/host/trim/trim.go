// Package trim takes from emulated machines the memory of translated code that they needed once. The start of a pod translates
// some 58 MiB; what it does afterwards is a small part of that, and is translated anew in no time. So when a machine has settled, its
// VMM gives back all of it. See docs/instant-clone.md.
package trim

import (
	"context"
	"log/slog"
	"time"

	"pacific/internal/host/vmm"
)

// interval between two looks at all machines.
const interval = 5 * time.Second

// worth is the size of a cache from which on it is given back. That of an idle pod has 6 to 10 MiB.
const worth = 16 << 20

// Trim watches the machines of a host.
type Trim struct {
	VMM vmm.Trimmer
	// Machines are the VMMs of those that run.
	Machines func() []vmm.Identity

	known map[vmm.Identity]seen
}

// Run looks at the machines until ctx is done.
func (t *Trim) Run(ctx context.Context) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks.C:
			t.look(now, now.Sub(last))
			last = now
		}
	}
}

// look is at all machines, since after the last one.
func (t *Trim) look(at time.Time, since time.Duration) {
	known := map[vmm.Identity]seen{}
	for _, id := range t.Machines() {
		cpu, err := id.CPU()
		if err != nil {
			continue // it has ended
		}
		now := usage{cpu: cpu, wanted: cpu + id.Waited()}
		before, met := t.known[id]
		next := seen{usage: now, first: before.first, looked: before.looked}
		switch {
		case !met:
			next.first = at
		case before.settled(now, at, since):
			next.looked = cpu
			t.trim(id)
		}
		known[id] = next
	}
	t.known = known
}

func (t *Trim) trim(id vmm.Identity) {
	size, err := t.VMM.Trimmable(id)
	if err == nil && size >= worth {
		err = t.VMM.Trim(id)
		slog.Debug("translated code is given back", "pid", id.PID, "bytes", size)
	}
	if err != nil {
		slog.Warn("translated code is not given back", "pid", id.PID, "err", err)
	}
}

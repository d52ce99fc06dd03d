package measure

// counter goes on counting where its source begins anew, as after a restart.
type counter struct{ base, last uint64 }

func (c *counter) add(value uint64) uint64 {
	if value < c.last {
		c.base += c.last
	}
	c.last = value
	return c.base + value
}

// account keeps the processor time of one pod's containers honest. An emulated guest does not see that the host took the
// processor away: its containers seem to run on. So what they used since the last look is cut down, where needed, to what
// the host gave their machine since then.
type account struct {
	machine    uint64 // nanoseconds that the host gave until the last look
	containers map[string]entry
}

type entry struct{ seen, real uint64 }

// update takes what guest and host say and returns nanoseconds by container, which never decrease while the container
// runs. host is false when hostd does not answer; then the guest is believed.
func (a *account) update(seen map[string]uint64, machine uint64, host bool) map[string]uint64 {
	grown := map[string]uint64{}
	var sum uint64
	for name, now := range seen {
		before := a.containers[name]
		if now < before.seen { // it was restarted
			before = entry{}
		}
		grown[name] = now - before.seen
		sum += grown[name]
	}
	share := 1.0
	if host {
		// A machine that was replaced counts from the beginning again.
		given := machine
		if machine >= a.machine {
			given -= a.machine
		}
		if sum > given {
			share = float64(given) / float64(sum)
		}
		a.machine = machine
	}
	return a.book(seen, grown, share)
}

func (a *account) book(seen, grown map[string]uint64, share float64) map[string]uint64 {
	next, out := map[string]entry{}, map[string]uint64{}
	for name, now := range seen {
		before := a.containers[name]
		if now < before.seen {
			before = entry{}
		}
		real := before.real + uint64(float64(grown[name])*share)
		next[name], out[name] = entry{seen: now, real: real}, real
	}
	a.containers = next
	return out
}

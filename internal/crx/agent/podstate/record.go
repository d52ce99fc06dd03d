package podstate

import "time"

// Record is what of a pod's state outlives its VM, by container name. Keep it durably after every Step that changes it.
type Record map[string]ContainerRecord

// ContainerRecord is what of a container's state outlives its VM.
type ContainerRecord struct {
	Starts    uint32       `json:"starts"`
	Exit      *Termination `json:"exit,omitempty"`
	Last      *Termination `json:"last,omitempty"`
	Backoff   backoff      `json:"backoff,omitzero"`
	RunningID string       `json:"runningID,omitempty"`
	StartedAt time.Time    `json:"startedAt,omitzero"`
	// Starting: a start was under way; it counts as if it had not been.
	Starting bool `json:"starting,omitempty"`
}

// Record returns the pod's present record.
func (m *Machine) Record() Record {
	r := Record{}
	for _, c := range m.containers {
		cr := ContainerRecord{Starts: c.Starts, Exit: c.Exit, Last: c.Last, Backoff: c.backoff, Starting: c.Starting}
		if c.Running {
			cr.RunningID, cr.StartedAt = c.ID, c.StartedAt
		}
		r[c.Name] = cr
	}
	return r
}

// Restore takes over the record of a VM that has died. Containers that ran in it ended as previous says. Init containers
// run again, since what they did to the VM is lost; so do the others, by their policy.
func (m *Machine) Restore(r Record, previous Termination) {
	for _, c := range m.containers {
		cr, ok := r[c.Name]
		if !ok {
			continue
		}
		c.Starts, c.Exit, c.Last, c.backoff = cr.Starts, cr.Exit, cr.Last, cr.Backoff
		if cr.Starting {
			c.Starts--
		}
		if cr.RunningID != "" {
			end := previous
			end.ID, end.StartedAt = cr.RunningID, cr.StartedAt
			c.Last, c.Exit = c.Exit, &end
		}
		if c.Exit != nil {
			c.ID = c.Exit.ID
			c.wait("", "")
		}
		if c.Init && !c.Sidecar && m.worksStill(r) {
			c.again = c.succeeded()
		}
	}
}

// worksStill tells whether a main container will run in the new VM, which makes the init containers run again.
func (m *Machine) worksStill(r Record) bool {
	if m.plan.Policy == Never {
		return false
	}
	for _, c := range m.containers {
		if !c.Init && !c.Ephemeral && !(r[c.Name].Exit != nil && r[c.Name].RunningID == "" && c.policy(m.plan.Policy) == OnFailure && r[c.Name].Exit.ExitCode == 0) {
			return true
		}
	}
	return false
}

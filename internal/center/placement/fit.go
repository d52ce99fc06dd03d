package placement

import (
	"fmt"
	"slices"
)

// Cause of a refusal, for programs.
type Cause string

// Why a host cannot take a machine.
const (
	HostNotResponding Cause = "HOST_NOT_RESPONDING"
	InMaintenance     Cause = "IN_MAINTENANCE"
	TooFewCPUs        Cause = "TOO_FEW_CPUS"
	InsufficientCPU   Cause = "INSUFFICIENT_CPU"
	TooLittleMemory   Cause = "TOO_LITTLE_MEMORY"
	InsufficientMem   Cause = "INSUFFICIENT_MEMORY"
	NoDatastore       Cause = "INSUFFICIENT_STORAGE"
	NoNetwork         Cause = "NETWORK_NOT_THERE"
	RuleBroken        Cause = "RULE"
	PoolExhausted     Cause = "RESOURCE_POOL"
)

// Reason why a host cannot take a machine.
type Reason struct {
	Cause   Cause  `json:"cause"`
	Message string `json:"message"`
	// Short is what is missing, where that can be said.
	Short Resources `json:"short"`
	// Rule that would be broken.
	Rule string `json:"rule,omitempty"`
}

// against lists all that keeps the machine off the host, empty if nothing does.
func (s *site) against(m Machine, h Host) []Reason {
	var list []Reason
	list = append(list, h.state()...)
	list = append(list, s.size(m, h)...)
	list = append(list, s.attached(m, h)...)
	for _, r := range s.rules {
		if text := r.broken(s, m, h); r.Must && text != "" {
			list = append(list, Reason{Cause: RuleBroken, Rule: r.Name, Message: r.sentence(text)})
		}
	}
	return list
}

func (h Host) state() []Reason {
	var list []Reason
	switch h.State {
	case Connected:
	case Disconnected:
		list = append(list, Reason{Cause: HostNotResponding, Message: "is disconnected"})
	default:
		list = append(list, Reason{Cause: HostNotResponding, Message: "does not respond"})
	}
	if h.Maintenance {
		list = append(list, Reason{Cause: InMaintenance, Message: "is in maintenance"})
	}
	return list
}

func (s *site) size(m Machine, h Host) []Reason {
	var list []Reason
	if m.CPUs > h.CPUs {
		list = append(list, Reason{Cause: TooFewCPUs, Message: fmt.Sprintf("has %d processors, %d are wanted", h.CPUs, m.CPUs)})
	}
	if whole := m.MemoryBytes + m.OverheadBytes; whole > h.Capacity.MemoryBytes {
		list = append(list, Reason{Cause: TooLittleMemory, Short: Resources{MemoryBytes: whole - h.Capacity.MemoryBytes},
			Message: fmt.Sprintf("has %s of memory, %s are wanted", mebibytes(h.Capacity.MemoryBytes), mebibytes(whole))})
	}
	free, need := h.Capacity.minus(s.reserved(h)), m.guarantee()
	if short := need.CPUMHz - free.CPUMHz; need.CPUMHz > 0 && short > 0 {
		list = append(list, Reason{Cause: InsufficientCPU, Short: Resources{CPUMHz: short},
			Message: fmt.Sprintf("%d MHz short: %d MHz reserved of %d MHz, %d MHz are wanted", short, s.reserved(h).CPUMHz, h.Capacity.CPUMHz, need.CPUMHz)})
	}
	if short := need.MemoryBytes - free.MemoryBytes; need.MemoryBytes > 0 && short > 0 {
		list = append(list, Reason{Cause: InsufficientMem, Short: Resources{MemoryBytes: short},
			Message: fmt.Sprintf("%s of memory short: %s reserved of %s, %s are wanted", mebibytes(short), mebibytes(s.reserved(h).MemoryBytes),
				mebibytes(h.Capacity.MemoryBytes), mebibytes(need.MemoryBytes))})
	}
	return list
}

func (s *site) attached(m Machine, h Host) []Reason {
	var list []Reason
	if s.datastores(m, h) == nil {
		list = append(list, Reason{Cause: NoDatastore, Message: s.noRoom(m, h)})
	}
	for _, n := range m.Networks {
		if !slices.Contains(h.Networks, n) {
			list = append(list, Reason{Cause: NoNetwork, Message: "has no network " + n})
		}
	}
	return list
}

func (s *site) noRoom(m Machine, h Host) string {
	var want, have int64
	for _, d := range m.Disks {
		if d.Datastore != "" && !slices.ContainsFunc(h.Datastores, func(o Datastore) bool { return o.ID == d.Datastore }) {
			return "does not reach datastore " + d.Datastore
		}
		want += d.Bytes
	}
	for _, d := range h.Datastores {
		have = max(have, s.free[d.ID])
	}
	return fmt.Sprintf("no datastore has room: %s are wanted, the largest has %s free", mebibytes(want), mebibytes(have))
}

// pool says why the machine's pool has no room, whatever the host.
func (s *site) pool(m Machine) *Reason {
	p, ok := s.pools[m.Pool]
	if !ok && m.Pool != "" {
		return &Reason{Cause: PoolExhausted, Message: "there is no resource pool " + m.Pool}
	}
	need, used := m.guarantee(), s.poolReserved(p)
	if own, ok := s.machines[m.ID]; ok && own.Pool == p.ID {
		used = used.minus(own.guarantee())
	}
	if short := used.MemoryBytes + need.MemoryBytes - p.Limit.MemoryBytes; p.Limit.MemoryBytes > 0 && need.MemoryBytes > 0 && short > 0 {
		return &Reason{Cause: PoolExhausted, Short: Resources{MemoryBytes: short}, Message: fmt.Sprintf("resource pool %s is limited to %s of memory: %s are reserved, %s are wanted",
			p.Name, mebibytes(p.Limit.MemoryBytes), mebibytes(used.MemoryBytes), mebibytes(need.MemoryBytes))}
	}
	if short := used.CPUMHz + need.CPUMHz - p.Limit.CPUMHz; p.Limit.CPUMHz > 0 && need.CPUMHz > 0 && short > 0 {
		return &Reason{Cause: PoolExhausted, Short: Resources{CPUMHz: short}, Message: fmt.Sprintf("resource pool %s is limited to %d MHz: %d MHz are reserved, %d MHz are wanted",
			p.Name, p.Limit.CPUMHz, used.CPUMHz, need.CPUMHz)}
	}
	return nil
}

// mebibytes rounds up, so that what is short never reads as nothing.
func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

package placement

import (
	"cmp"
	"maps"
	"slices"
)

// site is the inventory while a decision is made: machines can be put and taken away.
type site struct {
	hosts    []Host // by name
	rules    []Rule
	pools    map[string]Pool
	machines map[string]Machine
	on       map[string][]Machine // by host, in the order of their names
	free     map[string]int64     // bytes of datastores
	groups   map[string][]Machine // members on hosts, until something is put or taken
	extra    map[string]Resources // load that came to a host, or left it, since it was measured
}

func newSite(in Inventory) *site {
	s := &site{hosts: slices.Clone(in.Hosts), rules: in.Rules, pools: map[string]Pool{}, machines: map[string]Machine{}, on: map[string][]Machine{},
		free: map[string]int64{}, extra: map[string]Resources{}}
	slices.SortFunc(s.hosts, func(a, b Host) int { return cmp.Or(before(a.Name, b.Name), before(a.ID, b.ID)) })
	for _, p := range in.Pools {
		s.pools[p.ID] = p
	}
	for _, h := range s.hosts {
		for _, d := range h.Datastores {
			s.free[d.ID] = d.FreeBytes
		}
	}
	for _, m := range in.Machines {
		s.machines[m.ID] = m
		if m.Host != "" {
			s.on[m.Host] = insert(s.on[m.Host], m)
		}
	}
	return s
}

// copy is a site that changes on its own.
func (s *site) copy() *site {
	out := *s
	out.groups = nil
	out.machines, out.on, out.free, out.extra = maps.Clone(s.machines), maps.Clone(s.on), maps.Clone(s.free), maps.Clone(s.extra)
	return &out
}

func byName(a, b Machine) int { return cmp.Or(before(a.Name, b.Name), before(a.ID, b.ID)) }

func insert(list []Machine, m Machine) []Machine {
	list = append(slices.Clone(list), m)
	slices.SortFunc(list, byName)
	return list
}

// load that a machine brings: what was measured, or else all that it could use, so that machines placed one after
// another do not all go where nothing has been measured yet.
func (h Host) load(m Machine) Resources {
	if m.Used != (Resources{}) {
		return m.Used.atLeast(m.guarantee())
	}
	return Resources{CPUMHz: int64(m.CPUs) * h.perCPU(), MemoryBytes: m.MemoryBytes + m.OverheadBytes}
}

// perCPU is the frequency of one processor.
func (h Host) perCPU() int64 { return h.Capacity.CPUMHz / int64(max(1, h.CPUs)) }

// put a machine, with disks that are still to be made, on a host.
func (s *site) put(m Machine, h Host) {
	s.take(m)
	m.Host = h.ID
	for id, bytes := range s.datastores(m, h) {
		s.free[id] -= bytes
	}
	m.Disks = nil
	s.machines[m.ID], s.groups = m, nil
	s.on[h.ID] = insert(s.on[h.ID], m)
	s.extra[h.ID] = s.extra[h.ID].plus(h.load(m))
}

// take a machine from where it is, if it is anywhere.
func (s *site) take(m Machine) {
	for _, h := range s.hosts {
		list := s.on[h.ID]
		n := slices.IndexFunc(list, func(o Machine) bool { return o.ID == m.ID })
		if n < 0 {
			continue
		}
		s.on[h.ID] = slices.Delete(slices.Clone(list), n, n+1)
		s.extra[h.ID] = s.extra[h.ID].minus(list[n].Used)
	}
	delete(s.machines, m.ID)
	s.groups = nil
}

// reserved on a host, for pods and machines.
func (s *site) reserved(h Host) Resources {
	sum := h.Reserved
	for _, m := range s.on[h.ID] {
		sum = sum.plus(m.guarantee())
	}
	return sum
}

// demand on a host: what is used, but not less than what is reserved.
func (s *site) demand(h Host) Resources {
	return h.Used.plus(s.extra[h.ID]).atLeast(s.reserved(h)).atLeast(Resources{})
}

// poolReserved is what members of the pool were promised.
func (s *site) poolReserved(p Pool) Resources {
	sum := p.Reserved
	for _, m := range s.machines {
		if m.Pool == p.ID {
			sum = sum.plus(m.guarantee())
		}
	}
	return sum
}

// members of a group that are on some host, without the machine itself, in the order of their names.
func (s *site) members(group, without string) []Machine {
	list, known := s.groups[group]
	if !known {
		for _, m := range s.machines {
			if m.Host != "" && slices.Contains(m.Groups, group) {
				list = append(list, m)
			}
		}
		slices.SortFunc(list, byName)
		if s.groups == nil {
			s.groups = map[string][]Machine{}
		}
		s.groups[group] = list
	}
	return slices.DeleteFunc(slices.Clone(list), func(m Machine) bool { return m.ID == without })
}

// host by its ID.
func (s *site) host(id string) (Host, bool) {
	n := slices.IndexFunc(s.hosts, func(h Host) bool { return h.ID == id })
	if n < 0 {
		return Host{}, false
	}
	return s.hosts[n], true
}

// hostName for people, also of a host that is no longer there.
func (s *site) hostName(id string) string {
	if h, ok := s.host(id); ok {
		return h.Name
	}
	return id
}

// datastores says how many bytes each gives to the machine's disks on this host, nil if they do not fit.
func (s *site) datastores(m Machine, h Host) map[string]int64 {
	out := map[string]int64{}
	disks := slices.Clone(m.Disks)
	// Those that must be somewhere first, then the large ones.
	slices.SortStableFunc(disks, func(a, b Disk) int {
		if (a.Datastore == "") != (b.Datastore == "") {
			return cmp.Compare(b.Datastore, a.Datastore)
		}
		return cmp.Compare(b.Bytes, a.Bytes)
	})
	for _, d := range disks {
		best := ""
		for _, have := range h.Datastores {
			room := s.free[have.ID] - out[have.ID]
			if (d.Datastore == "" || d.Datastore == have.ID) && room >= d.Bytes && (best == "" || room > s.free[best]-out[best]) {
				best = have.ID
			}
		}
		if best == "" {
			return nil
		}
		out[best] += d.Bytes
	}
	return out
}

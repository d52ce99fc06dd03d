package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Set is the decision for machines that come together: all have a host, or none.
type Set struct {
	Complete  bool       `json:"complete"`
	Decisions []Decision `json:"decisions"`
	Message   string     `json:"message"`
}

// maxSteps bounds the search for an assignment of all, to about a second with a hundred hosts; beyond it the set is called
// impossible, which errs to the safe side.
const maxSteps = 4_000

// PlaceAll decides for all machines at once. Where no assignment of all exists no machine has a host, and each decision
// is what it would be beside those that found one.
func PlaceAll(in Inventory, machines []Machine) Set {
	return newSite(in).placeAll(machines)
}

func (s *site) placeAll(machines []Machine) Set {
	search := &search{most: -1, limit: maxSteps}
	crowd := s.crowdOf(machines)
	if crowd.needed > crowd.there {
		search.limit = len(machines) + 1 // no way back finds more: once through shows how far it goes
	}
	search.try(s, s.hardestFirst(machines), nil)
	set := Set{Complete: search.found || len(machines) == 0, Decisions: search.best}
	slices.SortStableFunc(set.Decisions, func(a, b Decision) int {
		return cmp.Compare(position(machines, a.Machine), position(machines, b.Machine))
	})
	if set.Complete {
		set.Message = fmt.Sprintf("%d of %d machines placed", len(machines), len(machines))
		return set
	}
	set.Message = incomplete(len(machines), crowd, set.Decisions)
	for i := range set.Decisions {
		set.Decisions[i].withdraw()
	}
	return set
}

// withdraw a choice, since not all machines have one.
func (d *Decision) withdraw() {
	if d.Host != "" {
		d.Message = fmt.Sprintf("%s could run on %s, but not all machines have a host", d.MachineName, d.HostName)
		d.Host, d.HostName = "", ""
	}
}

func position(machines []Machine, id string) int {
	return slices.IndexFunc(machines, func(m Machine) bool { return m.ID == id })
}

// hardestFirst: those with fewest hosts to choose from, then the large ones.
func (s *site) hardestFirst(machines []Machine) []Machine {
	choices := map[string]int{}
	for _, m := range machines {
		choices[m.ID] = len(s.place(m).Candidates)
	}
	list := slices.Clone(machines)
	slices.SortStableFunc(list, func(a, b Machine) int {
		return cmp.Or(cmp.Compare(choices[a.ID], choices[b.ID]), cmp.Compare(b.MemoryBytes, a.MemoryBytes), cmp.Compare(b.CPUs, a.CPUs))
	})
	return list
}

// search goes back where the best host of one machine leaves none for a later one.
type search struct {
	limit int
	steps int
	found bool
	most  int        // machines with a host in best
	best  []Decision // of the assignment that places most
}

func (q *search) try(s *site, rest []Machine, done []Decision) {
	if q.found || q.steps >= q.limit {
		return
	}
	q.steps++
	if len(rest) == 0 {
		q.found, q.best = true, slices.Clone(done)
		return
	}
	d := s.place(rest[0])
	if len(d.Candidates) == 0 {
		q.partial(s, rest, done)
		return
	}
	for _, c := range slices.Clone(d.Candidates) {
		choice := d
		choice.Candidates = slices.Clone(d.Candidates)
		choice.choose(c)
		next := s.copy()
		host, _ := next.host(c.Host)
		next.put(rest[0], host)
		q.try(next, rest[1:], append(slices.Clone(done), choice))
		if q.found {
			return
		}
	}
}

// partial remembers how far it went: the rest is decided beside those that have a host.
func (q *search) partial(s *site, rest []Machine, done []Decision) {
	if len(done) <= q.most {
		return
	}
	q.most, q.best = len(done), slices.Clone(done)
	for _, m := range rest {
		q.best = append(q.best, s.place(m))
	}
}

func incomplete(machines int, c crowd, decisions []Decision) string {
	placed := 0
	var first Decision
	for _, d := range decisions {
		if d.Host != "" {
			placed++
		} else if first.Message == "" {
			first = d
		}
	}
	text := fmt.Sprintf("%d of %d machines have a host", placed, machines)
	if c.needed > c.there {
		text = fmt.Sprintf("%s; each needs a host of its own: %d are there, %d needed", text, c.there, c.needed)
	}
	if first.Message == "" {
		return text + ": no assignment of all was found"
	}
	return text + ". " + strings.ToUpper(first.Message[:1]) + first.Message[1:]
}

// crowd is the group that a mandatory anti-affinity asks most of: how many hosts it needs, and how many there are for it.
type crowd struct{ needed, there int }

func (s *site) crowdOf(machines []Machine) crowd {
	var most crowd
	for _, r := range s.rules {
		if r.Kind != AntiAffinity || !r.Must {
			continue
		}
		one := s.crowdOfGroup(r.Group, machines)
		if one.needed-one.there > most.needed-most.there {
			most = one
		}
	}
	return most
}

func (s *site) crowdOfGroup(group string, machines []Machine) crowd {
	var fresh []Machine
	ids := map[string]bool{}
	for _, m := range machines {
		if slices.Contains(m.Groups, group) {
			fresh, ids[m.ID] = append(fresh, m), true
		}
	}
	if len(fresh) == 0 {
		return crowd{}
	}
	occupied := map[string]bool{}
	for _, m := range s.members(group, "") {
		if h, ok := s.host(m.Host); ok && h.takes() {
			ids[m.ID], occupied[m.Host] = true, true
		}
	}
	c := crowd{needed: len(ids)}
	for _, h := range s.hosts {
		if occupied[h.ID] || h.takes() && slices.ContainsFunc(fresh, func(m Machine) bool { return len(s.size(m, h)) == 0 && len(s.attached(m, h)) == 0 }) {
			c.there++
		}
	}
	return c
}

package placement

import (
	"fmt"
	"slices"
)

// Move of a machine to another host.
type Move struct {
	Machine  string `json:"vm"`
	Name     string `json:"vm_name"`
	From     string `json:"from"`
	To       string `json:"to"`
	ToName   string `json:"to_name"`
	FromName string `json:"from_name"`
	Message  string `json:"message"`
}

// Stop of a machine that finds no other host.
type Stop struct {
	Machine string `json:"vm"`
	Name    string `json:"vm_name"`
	Message string `json:"message"`
}

// Evacuation is what entering maintenance means for the machines of a host.
type Evacuation struct {
	Host string `json:"host"`
	// Allowed: no rule forbids it. Machines in Stops are off then until the host is back.
	Allowed bool   `json:"allowed"`
	Moves   []Move `json:"moves"`
	Stops   []Stop `json:"stops"`
	// Blockers say which rule forbids it.
	Blockers []Reason `json:"blockers"`
	Message  string   `json:"message"`
}

// Evacuate says whether the host may enter maintenance, and where its machines go. Rules are never broken for it: a
// machine that has no other place stops, and a rule that so many of a group have to run may forbid that.
func Evacuate(in Inventory, host string) Evacuation {
	s := newSite(in)
	e := Evacuation{Host: host, Moves: []Move{}, Stops: []Stop{}, Blockers: []Reason{}}
	h, ok := s.host(host)
	if !ok {
		e.Message = fmt.Sprintf("there is no host %s", host)
		return e
	}
	stay := s.without(host)
	var stops []Machine
	for _, m := range stay.hardestFirst(s.on[host]) {
		if to := stay.elsewhere(m, h, &e); to.ID != "" {
			stay.put(m, to)
			continue
		}
		stay.take(m)
		stops = append(stops, m)
	}
	e.Blockers = append(e.Blockers, s.tooFew(stops, "maintenance of "+h.Name)...)
	e.conclude(h, "enter maintenance")
	return e
}

// elsewhere is the host that takes the machine, none if it has to stop.
func (s *site) elsewhere(m Machine, from Host, e *Evacuation) Host {
	if m.Pinned {
		e.Stops = append(e.Stops, Stop{m.ID, m.Name, "cannot move while it runs"})
		return Host{}
	}
	d := s.place(m)
	if d.Host == "" {
		e.Stops = append(e.Stops, Stop{m.ID, m.Name, noOther(d, from)})
		return Host{}
	}
	to, _ := s.host(d.Host)
	e.Moves = append(e.Moves, Move{Machine: m.ID, Name: m.Name, From: from.ID, FromName: from.Name, To: to.ID, ToName: to.Name, Message: d.Message})
	return to
}

// noOther host takes the machine, and why.
func noOther(d Decision, from Host) string {
	others := slices.DeleteFunc(slices.Clone(d.Refusals), func(r Refusal) bool { return r.Host == from.ID })
	if len(others) == 0 {
		return "there is no other host"
	}
	return "no other host can take it: " + firsts(others)
}

// Restart says whether the host may go down for a moment: what runs there stops with it.
func Restart(in Inventory, host string) Evacuation {
	s := newSite(in)
	e := Evacuation{Host: host, Moves: []Move{}, Stops: []Stop{}, Blockers: []Reason{}}
	h, ok := s.host(host)
	if !ok {
		e.Message = fmt.Sprintf("there is no host %s", host)
		return e
	}
	for _, m := range s.on[host] {
		e.Stops = append(e.Stops, Stop{m.ID, m.Name, "stops with its host"})
	}
	e.Blockers = append(e.Blockers, s.tooFew(s.on[host], "restart of "+h.Name)...)
	e.conclude(h, "restart")
	return e
}

func (e *Evacuation) conclude(h Host, what string) {
	e.Allowed = len(e.Blockers) == 0
	if e.Allowed {
		e.Message = fmt.Sprintf("%s may %s: %d machines move, %d stop", h.Name, what, len(e.Moves), len(e.Stops))
		return
	}
	e.Message = fmt.Sprintf("%s may not %s: %s", h.Name, what, e.Blockers[0].Message)
}

// without is the site with the host in maintenance.
func (s *site) without(host string) *site {
	out := s.copy()
	out.hosts = slices.Clone(s.hosts)
	for i := range out.hosts {
		out.hosts[i].Maintenance = out.hosts[i].Maintenance || out.hosts[i].ID == host
	}
	return out
}

// tooFew names the rules that would have fewer members running than they demand if these machines stopped.
func (s *site) tooFew(stops []Machine, what string) []Reason {
	var list []Reason
	for _, r := range s.rules {
		if r.Kind != MinimumRunning {
			continue
		}
		running, stopping := 0, 0
		for _, m := range s.members(r.Group, "") {
			if h, ok := s.host(m.Host); ok && h.State == Connected {
				running++
			}
		}
		for _, m := range stops {
			if slices.Contains(m.Groups, r.Group) {
				stopping++
			}
		}
		if stopping > 0 && running-stopping < r.Count {
			list = append(list, Reason{Cause: RuleBroken, Rule: r.Name,
				Message: fmt.Sprintf("%s would leave %d of group %s running, rule %s demands %d", what, running-stopping, r.Group, r.Name, r.Count)})
		}
	}
	return list
}

package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// Broken is a mandatory rule that does not hold.
type Broken struct {
	Machine string `json:"vm"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// Violations of mandatory rules by machines as they are placed now, by the names of the machines.
func Violations(in Inventory) []Broken {
	s := newSite(in)
	list := []Broken{}
	for _, h := range s.hosts {
		for _, m := range s.on[h.ID] {
			for _, r := range s.rules {
				if text := r.broken(s, m, h); r.Must && text != "" {
					list = append(list, Broken{Machine: m.ID, Rule: r.Name, Message: fmt.Sprintf("%s runs on %s, which %s", m.Name, h.Name, text)})
				}
			}
		}
	}
	return list
}

const (
	// minImprovement in points of the fullest host's load: a move costs something too.
	minImprovement = 10
	// maxMoves of one round: what comes after is decided by what is measured then.
	maxMoves = 8
)

// Balance proposes moves: first of machines that break a mandatory rule, then off the fullest host while that makes the
// fullest of the two clearly less full. It proposes none that breaks a rule or does not fit.
func Balance(in Inventory) []Move {
	s := newSite(in)
	moves := []Move{}
	for len(moves) < maxMoves {
		m, to, why := s.correction()
		if why == "" {
			m, to, why = s.improvement()
		}
		if why == "" {
			return moves
		}
		from, _ := s.host(m.Host)
		moves = append(moves, Move{Machine: m.ID, Name: m.Name, From: from.ID, FromName: from.Name, To: to.ID, ToName: to.Name, Message: why})
		s.put(m, to)
	}
	return moves
}

// correction moves a machine that breaks a rule where it is.
func (s *site) correction() (Machine, Host, string) {
	for _, h := range s.hosts {
		for _, m := range s.on[h.ID] {
			text := s.breaks(m, h)
			if text == "" || m.Pinned {
				continue
			}
			if d := s.place(m); d.Host != "" && d.Host != h.ID {
				to, _ := s.host(d.Host)
				return m, to, h.Name + " " + text
			}
		}
	}
	return Machine{}, Host{}, ""
}

func (s *site) breaks(m Machine, h Host) string {
	for _, r := range s.rules {
		if text := r.broken(s, m, h); r.Must && text != "" {
			return r.sentence(text)
		}
	}
	return ""
}

// fullness of a host in percent, of what it has least of.
func (s *site) fullness(h Host) int {
	demand := s.demand(h)
	return max(percent(demand.CPUMHz, h.Capacity.CPUMHz), percent(demand.MemoryBytes, h.Capacity.MemoryBytes))
}

func percent(part, whole int64) int {
	if whole <= 0 {
		return 0
	}
	return int(100 * part / whole)
}

// improvement moves the machine that lowers the load of the fullest host most.
func (s *site) improvement() (Machine, Host, string) {
	var running []Host
	for _, h := range s.hosts {
		if h.takes() {
			running = append(running, h)
		}
	}
	if len(running) < 2 {
		return Machine{}, Host{}, ""
	}
	full := slices.MaxFunc(running, func(a, b Host) int { return cmp.Compare(s.fullness(a), s.fullness(b)) })
	var best Machine
	var to Host
	level := s.fullness(full)
	least := level
	for _, m := range s.on[full.ID] {
		for _, h := range running {
			if h.ID == full.ID || m.Pinned {
				continue
			}
			if after := s.afterMove(m, full, h); after < least {
				best, to, least = m, h, after
			}
		}
	}
	if level-least < minImprovement {
		return Machine{}, Host{}, ""
	}
	return best, to, fmt.Sprintf("%s is %d %% full; afterwards neither it nor %s is more than %d %%", full.Name, level, to.Name, least)
}

// afterMove is the fullness of the fuller of the two hosts then, 100 and more where the move is not possible.
func (s *site) afterMove(m Machine, from, to Host) int {
	rest := s.copy()
	rest.take(m)
	if len(rest.against(m, to)) > 0 {
		return 1 << 30
	}
	rest.put(m, to)
	return max(rest.fullness(from), rest.fullness(to))
}

package placement

import (
	"fmt"
	"slices"
)

// Criterion that a host is judged by.
type Criterion string

const (
	// Rules that should hold and would.
	Rules Criterion = "rules"
	// Memory that is left when the machine has all that it may use.
	Memory Criterion = "memory"
	// CPU that is left.
	CPU Criterion = "cpu"
	// Machines: how few the host has, compared with the one that has most.
	Machines Criterion = "machines"
	// Stay: the machine is there already.
	Stay Criterion = "stay"
)

// weights: that a wish of the administrator holds counts more than any load, and memory, which cannot be shared in
// time, as much as the processors. A machine that is somewhere leaves only for something better.
var weights = []struct {
	Criterion
	Weight int
}{{Rules, 4}, {Memory, 2}, {CPU, 2}, {Machines, 1}, {Stay, 1}}

// Score of a host by one criterion, 0 to 100.
type Score struct {
	Criterion Criterion `json:"criterion"`
	Points    int       `json:"points"`
	Message   string    `json:"message"`
}

// scores of a host for a machine in the order of the weights, and their weighted mean.
func (s *site) scores(m Machine, h Host) ([]Score, int) {
	after := s.demand(h).plus(h.load(m))
	if m.Host == h.ID && slices.ContainsFunc(s.on[h.ID], func(o Machine) bool { return o.ID == m.ID }) {
		after = s.demand(h)
	}
	by := map[Criterion]Score{
		Memory: room(Memory, h.Capacity.MemoryBytes, after.MemoryBytes, mebibytes),
		CPU:    room(CPU, h.Capacity.CPUMHz, after.CPUMHz, func(n int64) string { return fmt.Sprintf("%d MHz", n) }),
		Rules:  s.wishes(m, h), Machines: s.fewest(m, h), Stay: stays(m, h),
	}
	var list []Score
	total, weight := 0, 0
	for _, w := range weights {
		score := by[w.Criterion]
		list = append(list, score)
		total, weight = total+score.Points*w.Weight, weight+w.Weight
	}
	return list, (total + weight/2) / weight
}

func room(c Criterion, capacity, after int64, text func(int64) string) Score {
	score := Score{Criterion: c, Message: fmt.Sprintf("%s of %s used afterwards", text(after), text(capacity))}
	if capacity > 0 && after < capacity {
		score.Points = int(100 * (capacity - after) / capacity)
	}
	return score
}

func (s *site) wishes(m Machine, h Host) Score {
	score := Score{Criterion: Rules, Points: 100, Message: "keeps every rule"}
	count, held := 0, 0
	for _, r := range s.rules {
		if r.Must || r.Kind == MinimumRunning || !slices.Contains(m.Groups, r.Group) {
			continue
		}
		count++
		if text := r.broken(s, m, h); text == "" {
			held++
		} else if held == count-1 {
			score.Message = r.sentence(text)
		}
	}
	if count == 0 {
		score.Message = ""
	} else {
		score.Points = 100 * held / count
	}
	return score
}

func (s *site) fewest(m Machine, h Host) Score {
	own, most := 0, 0
	for _, other := range s.hosts {
		n := 0
		for _, o := range s.on[other.ID] {
			if o.ID != m.ID {
				n++
			}
		}
		most = max(most, n)
		if other.ID == h.ID {
			own = n
		}
	}
	score := Score{Criterion: Machines, Points: 100, Message: fmt.Sprintf("%d machines there", own)}
	if most > 0 {
		score.Points = 100 - 100*own/most
	}
	return score
}

func stays(m Machine, h Host) Score {
	if m.Host == h.ID {
		return Score{Criterion: Stay, Points: 100, Message: "is there already"}
	}
	return Score{Criterion: Stay}
}

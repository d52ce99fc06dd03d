package placement

import (
	"cmp"
	"fmt"
	"slices"
)

// Candidate is a host that can take the machine.
type Candidate struct {
	Host   string  `json:"host"`
	Name   string  `json:"name"`
	Total  int     `json:"total"`
	Scores []Score `json:"scores"`
}

// Refusal is a host that cannot.
type Refusal struct {
	Host    string   `json:"host"`
	Name    string   `json:"name"`
	Reasons []Reason `json:"reasons"`
}

// Decision for one machine, with all that it rests on.
type Decision struct {
	Machine     string `json:"vm"`
	MachineName string `json:"vm_name"`
	// Host that was chosen, empty if there is none.
	Host     string `json:"host,omitempty"`
	HostName string `json:"host_name,omitempty"`
	// Candidates, best first; the first is the chosen one.
	Candidates []Candidate `json:"candidates"`
	Refusals   []Refusal   `json:"refusals"`
	// Message says what was decided, and where nothing fits, what would help.
	Message string `json:"message"`
}

// Place decides where the machine is to run. One that is somewhere already stays unless another host is better.
func Place(in Inventory, m Machine) Decision { return newSite(in).place(m) }

func (s *site) place(m Machine) Decision {
	d := Decision{Machine: m.ID, MachineName: m.Name, Candidates: []Candidate{}, Refusals: []Refusal{}}
	if r := s.pool(m); r != nil {
		d.Message = fmt.Sprintf("no host can take %s: %s. Would help: %s", m.describe(), r.Message, poolHelp(m))
		return d
	}
	others := s.copy()
	if _, placed := others.machines[m.ID]; placed {
		others.take(m)
	}
	for _, h := range s.hosts {
		if reasons := others.against(m, h); len(reasons) > 0 {
			d.Refusals = append(d.Refusals, Refusal{Host: h.ID, Name: h.Name, Reasons: reasons})
			continue
		}
		scores, total := s.scores(m, h)
		d.Candidates = append(d.Candidates, Candidate{Host: h.ID, Name: h.Name, Total: total, Scores: scores})
	}
	// Stable: of equals the first by name.
	slices.SortStableFunc(d.Candidates, func(a, b Candidate) int { return cmp.Compare(b.Total, a.Total) })
	if len(d.Candidates) == 0 {
		d.Message = s.nowhere(m, d.Refusals)
		return d
	}
	d.choose(d.Candidates[0])
	return d
}

// choose a candidate, which then stands first.
func (d *Decision) choose(c Candidate) {
	n := slices.IndexFunc(d.Candidates, func(o Candidate) bool { return o.Host == c.Host })
	d.Candidates = slices.Insert(slices.Delete(d.Candidates, n, n+1), 0, c)
	d.Host, d.HostName = c.Host, c.Name
	d.Message = fmt.Sprintf("%s runs on %s: %s", d.MachineName, c.Name, d.why(c))
}

// why the chosen one is better than the next.
func (d *Decision) why(c Candidate) string {
	if len(d.Candidates) == 1 {
		return "no other host can take it"
	}
	next := d.Candidates[1]
	if next.Total == c.Total {
		return fmt.Sprintf("as good as %s (%d points)", next.Name, c.Total)
	}
	if next.Total > c.Total {
		return fmt.Sprintf("%d points; %s would have %d, but then not all machines find a host", c.Total, next.Name, next.Total)
	}
	best, lead := -1, 0
	for i, w := range weights {
		if by := w.Weight * (c.Scores[i].Points - next.Scores[i].Points); by > lead {
			best, lead = i, by
		}
	}
	if best < 0 {
		return fmt.Sprintf("%d points, %s has %d", c.Total, next.Name, next.Total)
	}
	return fmt.Sprintf("%d points, %s has %d; most for %s (%s)", c.Total, next.Name, next.Total, c.Scores[best].Criterion, c.Scores[best].Message)
}

func (m Machine) describe() string {
	return fmt.Sprintf("%s (%d vCPUs, %s)", m.Name, m.CPUs, mebibytes(m.MemoryBytes))
}

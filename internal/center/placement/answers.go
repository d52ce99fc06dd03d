package placement

import (
	"fmt"
	"strings"
	"time"
)

// Record is a decision that was carried out.
type Record struct {
	Decision Decision  `json:"decision"`
	At       time.Time `json:"at"`
}

// Standing says why a machine is where it is, and what would be decided today.
type Standing struct {
	Machine  string `json:"vm"`
	Name     string `json:"name"`
	Host     string `json:"host,omitempty"`
	HostName string `json:"host_name,omitempty"`
	// Record by which it came there, unset if center did not place it.
	Record *Record  `json:"record,omitempty"`
	Now    Decision `json:"now"`
}

// Balanced are the moves that would make a cluster more even, and the rules that do not hold.
type Balanced struct {
	Moves      []Move   `json:"moves"`
	Violations []Broken `json:"violations"`
}

// Text is the standing for people.
func (s Standing) Text() string {
	var b strings.Builder
	where := s.Name + " is on no host"
	if s.Host != "" {
		where = fmt.Sprintf("%s is on %s", s.Name, s.HostName)
	}
	switch {
	case s.Record == nil:
		fmt.Fprintf(&b, "%s. center has no record of a decision about it.\n", where)
	case s.Record.Decision.Host != s.Host:
		fmt.Fprintf(&b, "%s, though %s it was decided otherwise:\n\n%s", where, s.Record.At.Format(time.RFC3339), s.Record.Decision.Text())
	default:
		fmt.Fprintf(&b, "%s, by a decision of %s:\n\n%s", where, s.Record.At.Format(time.RFC3339), s.Record.Decision.Text())
	}
	fmt.Fprintf(&b, "\nIt would be decided now:\n\n%s", s.Now.Text())
	return b.String()
}

// Text is the evacuation for people.
func (e Evacuation) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, e.Message)
	for _, m := range e.Moves {
		fmt.Fprintf(&b, "  move  %s to %s\n", m.Name, m.ToName)
	}
	for _, s := range e.Stops {
		fmt.Fprintf(&b, "  stop  %s: %s\n", s.Name, s.Message)
	}
	return b.String()
}

// Text is the moves for people.
func (r Balanced) Text() string {
	var b strings.Builder
	for _, v := range r.Violations {
		fmt.Fprintf(&b, "broken  %s (rule %s)\n", v.Message, v.Rule)
	}
	for _, m := range r.Moves {
		fmt.Fprintf(&b, "move    %s from %s to %s: %s\n", m.Name, m.FromName, m.ToName, m.Message)
	}
	if b.Len() == 0 {
		return "nothing should move\n"
	}
	return b.String()
}

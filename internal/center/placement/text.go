package placement

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Text is the decision for people: the sentence, then every host with its points or what keeps the machine off it.
func (d Decision) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, d.Message)
	if len(d.Candidates)+len(d.Refusals) == 0 {
		return b.String()
	}
	fmt.Fprintln(&b)
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, "HOST\tPOINTS")
	for _, c := range weights {
		fmt.Fprintf(w, "\t%s", strings.ToUpper(string(c.Criterion)))
	}
	fmt.Fprintln(w, "\tWHY")
	for _, c := range d.Candidates {
		fmt.Fprintf(w, "%s\t%d", c.Name, c.Total)
		for _, s := range c.Scores {
			fmt.Fprintf(w, "\t%d", s.Points)
		}
		fmt.Fprintf(w, "\t%s\n", d.remark(c))
	}
	for _, r := range d.Refusals {
		fmt.Fprintf(w, "%s\t-%s\t%s\n", r.Name, strings.Repeat("\t-", len(weights)), strings.Join(messages(r.Reasons), "; "))
	}
	w.Flush()
	return b.String()
}

// remark on a candidate: that it was chosen, and what it is short of.
func (d Decision) remark(c Candidate) string {
	var list []string
	if c.Host == d.Host {
		list = append(list, "chosen")
	}
	for _, s := range c.Scores {
		if s.Message != "" && s.Criterion != Machines {
			list = append(list, s.Message)
		}
	}
	return strings.Join(list, "; ")
}

func messages(reasons []Reason) []string {
	var list []string
	for _, r := range reasons {
		list = append(list, r.Message)
	}
	return list
}

// Text is the decisions for people, one after another.
func (s Set) Text() string {
	var b strings.Builder
	fmt.Fprintln(&b, s.Message)
	for _, d := range s.Decisions {
		fmt.Fprintf(&b, "\n%s", d.Text())
	}
	return b.String()
}

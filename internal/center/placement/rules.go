package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind of a rule.
type Kind string

const (
	// AntiAffinity: no host runs two members.
	AntiAffinity Kind = "ANTI_AFFINITY"
	// Affinity: one host runs all members.
	Affinity Kind = "AFFINITY"
	// OnHosts: members run on the rule's hosts.
	OnHosts Kind = "ON_HOSTS"
	// NotOnHosts: members run elsewhere.
	NotOnHosts Kind = "NOT_ON_HOSTS"
	// Spread: members are divided over the values of a label of hosts, which differ by one at most.
	Spread Kind = "SPREAD"
	// MinimumRunning: so many members run at any time. It restrains maintenance and restart, not placement.
	MinimumRunning Kind = "MINIMUM_RUNNING"
)

// Kinds are all that there are.
var Kinds = []Kind{AntiAffinity, Affinity, OnHosts, NotOnHosts, Spread, MinimumRunning}

// Rule for the machines of a group.
type Rule struct {
	Name  string `json:"name"`
	Kind  Kind   `json:"type"`
	Group string `json:"group"`
	// Must: a host that breaks the rule is none. Otherwise it is only liked less.
	Must bool `json:"mandatory"`
	// Hosts of OnHosts and NotOnHosts, by ID.
	Hosts []string `json:"hosts,omitempty"`
	// Label of Spread; empty: every host is a value of its own.
	Label string `json:"label,omitempty"`
	// Count of MinimumRunning.
	Count int `json:"count,omitempty"`
}

// broken says how the host breaks the rule for the machine, as what follows the host's name; empty if it does not.
func (r Rule) broken(s *site, m Machine, h Host) string {
	if !slices.Contains(m.Groups, r.Group) {
		return ""
	}
	switch r.Kind {
	case AntiAffinity:
		return r.together(s, m, h)
	case Affinity:
		return r.apart(s, m, h)
	case OnHosts:
		if !slices.Contains(r.Hosts, h.ID) {
			return "is none of " + s.names(r.Hosts)
		}
	case NotOnHosts:
		if slices.Contains(r.Hosts, h.ID) {
			return "is one of " + s.names(r.Hosts) + ", where it shall not run"
		}
	case Spread:
		return r.uneven(s, m, h)
	}
	return ""
}

// sentence with the name of the rule that is broken.
func (r Rule) sentence(text string) string { return fmt.Sprintf("%s (rule %s)", text, r.Name) }

func (r Rule) together(s *site, m Machine, h Host) string {
	for _, other := range s.members(r.Group, m.ID) {
		if other.Host == h.ID {
			return fmt.Sprintf("runs %s, anti-affinity", other.Name)
		}
	}
	return ""
}

// apart looks at the first member only where others are already apart.
func (r Rule) apart(s *site, m Machine, h Host) string {
	others := s.members(r.Group, m.ID)
	if len(others) == 0 || slices.ContainsFunc(others, func(o Machine) bool { return o.Host == h.ID }) {
		return ""
	}
	return fmt.Sprintf("is not %s, which runs %s, affinity", s.hostName(others[0].Host), others[0].Name)
}

func (r Rule) uneven(s *site, m Machine, h Host) string {
	members := map[string]int{}
	for _, host := range s.hosts {
		if host.takes() && r.value(host) != "" {
			members[r.value(host)] = 0
		}
	}
	for _, other := range s.members(r.Group, m.ID) {
		if host, ok := s.host(other.Host); ok && r.value(host) != "" {
			members[r.value(host)]++
		}
	}
	own := r.value(h)
	if own == "" {
		return fmt.Sprintf("has no label %s, over which %s is spread", r.Label, r.Group)
	}
	if len(members) == 0 {
		return ""
	}
	least := slices.MinFunc(slices.SortedFunc(maps.Keys(members), before), func(a, b string) int { return cmp.Compare(members[a], members[b]) })
	if members[own]+1-members[least] > 1 {
		return fmt.Sprintf("would make it %d of group %s in %s, against %d in %s", members[own]+1, r.Group, own, members[least], least)
	}
	return ""
}

// value of the host that members are spread over.
func (r Rule) value(h Host) string {
	if r.Label == "" {
		return h.Name
	}
	return h.Labels[r.Label]
}

// takes machines, as far as its state goes.
func (h Host) takes() bool { return h.State == Connected && !h.Maintenance }

// names of hosts in their order.
func (s *site) names(ids []string) string {
	var list []string
	for _, id := range ids {
		list = append(list, s.hostName(id))
	}
	slices.SortFunc(list, before)
	if len(list) == 0 {
		return "no host"
	}
	return strings.Join(list, ", ")
}

// Package plan decides what a host's kernel must hold so that pods, nodes and control plane reach each other. It is made
// of pure functions: objects of the API server and links of the host in, desired state out, and the difference between
// that and the actual state. Package kernel reads and applies states.
package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Route is a unicast route. Without Gateway its destination is on link.
type Route struct {
	Table       int // 0 is the main table
	Destination netip.Prefix
	Gateway     netip.Addr // always reached directly (onlink)
	Interface   string
	Source      netip.Addr // address that the host itself uses for this destination
}

// Neighbour is a permanent neighbour entry.
type Neighbour struct {
	Interface string
	Address   netip.Addr
	MAC       string
}

// Forwarding is an entry of the overlay's forwarding database: frames for MAC go to the host with this address.
type Forwarding struct {
	Interface string
	MAC       string
	Host      netip.Addr
}

// Rule makes what comes from the prefix look into a table of its own first.
type Rule struct {
	From  netip.Prefix
	Table int
}

// State is the part of a host's kernel state that belongs to the dataplane.
type State struct {
	Rules       map[Rule]bool
	Routes      map[Route]bool
	Neighbours  map[Neighbour]bool
	Forwardings map[Forwarding]bool
}

// NewState returns an empty state.
func NewState() State {
	return State{map[Rule]bool{}, map[Route]bool{}, map[Neighbour]bool{}, map[Forwarding]bool{}}
}

// Empty tells whether the state holds nothing.
func (s State) Empty() bool {
	return len(s.Rules)+len(s.Routes)+len(s.Neighbours)+len(s.Forwardings) == 0
}

// Changes turn one state into another. Set comes first: setting an entry replaces the one with the same key, so that
// there is no moment without either.
type Changes struct {
	Set    State
	Remove State
}

// Diff returns what makes have into want. An entry of have whose key has another value in want is replaced, not removed.
func Diff(have, want State) Changes {
	changes := Changes{NewState(), NewState()}
	changes.Set.Rules, changes.Remove.Rules = diff(have.Rules, want.Rules, func(r Rule) any { return r })
	changes.Set.Routes, changes.Remove.Routes = diff(have.Routes, want.Routes, func(r Route) any {
		return [2]any{r.Table, r.Destination}
	})
	changes.Set.Neighbours, changes.Remove.Neighbours = diff(have.Neighbours, want.Neighbours, func(n Neighbour) any {
		return [2]any{n.Interface, n.Address}
	})
	changes.Set.Forwardings, changes.Remove.Forwardings = diff(have.Forwardings, want.Forwardings, func(f Forwarding) any {
		return [2]any{f.Interface, f.MAC}
	})
	return changes
}

func diff[T comparable](have, want map[T]bool, key func(T) any) (set, remove map[T]bool) {
	set, remove = map[T]bool{}, map[T]bool{}
	wanted := map[any]bool{}
	for entry := range want {
		wanted[key(entry)] = true
		if !have[entry] {
			set[entry] = true
		}
	}
	for entry := range have {
		if !want[entry] && !wanted[key(entry)] {
			remove[entry] = true
		}
	}
	return set, remove
}

// Empty tells whether there is nothing to do.
func (c Changes) Empty() bool { return c.Set.Empty() && c.Remove.Empty() }

// String is in the order and form of the ip and bridge commands, one entry a line.
func (s State) String() string {
	var b strings.Builder
	lines(&b, s.Rules)
	lines(&b, s.Routes)
	lines(&b, s.Neighbours)
	lines(&b, s.Forwardings)
	return b.String()
}

// Summary is one line for the log.
func (s State) Summary() string {
	return strings.Join(strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n"), "; ")
}

func lines[T interface {
	comparable
	fmt.Stringer
}](b *strings.Builder, entries map[T]bool) {
	var all []string
	for entry := range entries {
		all = append(all, entry.String())
	}
	slices.Sort(all)
	for _, line := range all {
		fmt.Fprintln(b, line)
	}
}

func (r Rule) String() string { return fmt.Sprintf("rule from %s lookup %d", r.From, r.Table) }

func (r Route) String() string {
	b := fmt.Sprintf("route %s", r.Destination)
	if r.Gateway.IsValid() {
		b += fmt.Sprintf(" via %s onlink", r.Gateway)
	}
	b += fmt.Sprintf(" dev %s", r.Interface)
	if r.Source.IsValid() {
		b += fmt.Sprintf(" src %s", r.Source)
	}
	if r.Table != 0 {
		b += fmt.Sprintf(" table %d", r.Table)
	}
	return b
}

func (n Neighbour) String() string {
	return fmt.Sprintf("neigh %s lladdr %s dev %s", n.Address, n.MAC, n.Interface)
}

func (f Forwarding) String() string {
	return fmt.Sprintf("fdb %s dst %s dev %s", f.MAC, f.Host, f.Interface)
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

package directory

import (
	"context"
	"slices"
)

// GroupsOf a user: those that hold the user or one of the groups given, and the groups that hold those, and so on. external
// are groups that an external identity source says the user is in.
func (d *Directory) GroupsOf(ctx context.Context, user Subject, external []Subject) ([]Subject, error) {
	groups, err := d.Groups(ctx)
	if err != nil {
		return nil, err
	}
	start := slices.Clone(external)
	if user.Domain == d.Domain {
		start = append(start, Subject{Type: GroupType, Name: EveryoneGroup, Domain: d.Domain})
	}
	return memberships(groups, d.Domain, user, start), nil
}

// memberships follows who is in what until nothing new comes; groups may hold each other in a circle.
func memberships(groups []Group, domain string, user Subject, start []Subject) []Subject {
	found := slices.Clone(start)
	for changed := true; changed; {
		changed = false
		for _, group := range groups {
			self := Subject{Type: GroupType, Name: group.Name, Domain: domain}
			if slices.ContainsFunc(found, self.is) {
				continue
			}
			if slices.ContainsFunc(group.Members, func(m Subject) bool { return m.is(user) || slices.ContainsFunc(found, m.is) }) {
				found, changed = append(found, self), true
			}
		}
	}
	slices.SortFunc(found, func(a, b Subject) int {
		switch {
		case a.key() < b.key():
			return -1
		case a.key() > b.key():
			return 1
		}
		return 0
	})
	return found
}

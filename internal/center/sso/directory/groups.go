package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pacific/internal/center/store"
)

// Types of subjects, as the original's API writes them.
const (
	UserType  = "USER"
	GroupType = "GROUP"
)

// Subject is somebody, or a group, of a domain.
type Subject struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Domain string `json:"domain"`
}

func (s Subject) String() string { return s.Name + "@" + s.Domain }

func (s Subject) key() string { return strings.ToLower(s.Type + ":" + s.Name + "@" + s.Domain) }

// is tells whether both name the same.
func (s Subject) is(other Subject) bool { return s.key() == other.key() }

// Group of users and groups, of the domain or of external ones.
type Group struct {
	Name        string
	Description string
	Members     []Subject
}

// Groups of the domain, by name.
func (d *Directory) Groups(ctx context.Context) ([]Group, error) {
	items, err := d.groups.List(ctx)
	groups := make([]Group, len(items))
	for i, item := range items {
		groups[i] = item.Value
	}
	return groups, err
}

// Group of a name; [store.ErrNotFound].
func (d *Directory) Group(ctx context.Context, name string) (Group, error) {
	if checkName("group", name) != nil {
		return Group{}, fmt.Errorf("group %q: %w", name, store.ErrNotFound)
	}
	group, _, err := d.groups.Get(ctx, id(name))
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("group %s@%s: %w", name, d.Domain, store.ErrNotFound)
	}
	return group, err
}

// CreateGroup without members.
func (d *Directory) CreateGroup(ctx context.Context, name, description string) (Group, error) {
	if err := errors.Join(checkName("group", name), Profile{Description: description}.validate()); err != nil {
		return Group{}, err
	}
	if id(name) == id(EveryoneGroup) {
		return Group{}, fmt.Errorf("group %s %w", EveryoneGroup, ErrBuiltIn)
	}
	group := Group{Name: name, Description: description}
	err := d.groups.Create(ctx, id(name), group)
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("group %s@%s: %w", name, d.Domain, store.ErrExists)
	}
	return group, err
}

// DeleteGroup and its memberships and permissions. Its members stay.
func (d *Directory) DeleteGroup(ctx context.Context, name string) error {
	if id(name) == id(AdministratorsGroup) {
		return fmt.Errorf("group %s %w and cannot be deleted", AdministratorsGroup, ErrBuiltIn)
	}
	return retry(func() error {
		if _, err := d.Group(ctx, name); err != nil {
			return err
		}
		_, revision, err := d.groups.Get(ctx, id(name))
		if err != nil {
			return err
		}
		ops, err := d.forget(ctx, Subject{Type: GroupType, Name: name, Domain: d.Domain})
		if err != nil {
			return err
		}
		return d.store.Commit(ctx, append(ops, d.groups.DeleteOp(id(name), revision))...)
	})
}

// forget is what has to be changed with the deletion of a subject.
func (d *Directory) forget(ctx context.Context, gone Subject) ([]store.Op, error) {
	groups, err := d.groups.List(ctx)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, item := range groups {
		kept := slices.DeleteFunc(slices.Clone(item.Value.Members), gone.is)
		if len(kept) < len(item.Value.Members) {
			item.Value.Members = kept
			ops = append(ops, d.groups.PutOp(item.ID, item.Value, item.Revision))
		}
	}
	_, revision, err := d.permissions.Get(ctx, gone.key())
	if errors.Is(err, store.ErrNotFound) {
		return ops, nil
	}
	return append(ops, d.permissions.DeleteOp(gone.key(), revision)), err
}

// AddMembers to a group; ones that are in it already are no error.
func (d *Directory) AddMembers(ctx context.Context, name string, members []Subject) (Group, error) {
	for i := range members {
		if err := d.checkSubject(ctx, &members[i]); err != nil {
			return Group{}, err
		}
		if members[i].is(Subject{Type: GroupType, Name: name, Domain: d.Domain}) {
			return Group{}, fmt.Errorf("%w: group %s cannot be a member of itself", ErrInvalid, name)
		}
	}
	return d.updateGroup(ctx, name, func(group *Group) error {
		for _, member := range members {
			if !slices.ContainsFunc(group.Members, member.is) {
				group.Members = append(group.Members, member)
			}
		}
		return nil
	})
}

// RemoveMembers from a group; ones that are not in it are no error.
func (d *Directory) RemoveMembers(ctx context.Context, name string, members []Subject) (Group, error) {
	administrator := Subject{Type: UserType, Name: AdministratorUser, Domain: d.Domain}
	for i := range members {
		d.normalize(&members[i])
		if id(name) == id(AdministratorsGroup) && members[i].is(administrator) {
			return Group{}, fmt.Errorf("user %s %w and stays in group %s", AdministratorUser, ErrBuiltIn, AdministratorsGroup)
		}
	}
	return d.updateGroup(ctx, name, func(group *Group) error {
		group.Members = slices.DeleteFunc(group.Members, func(m Subject) bool { return slices.ContainsFunc(members, m.is) })
		return nil
	})
}

// DescribeGroup gives it another description.
func (d *Directory) DescribeGroup(ctx context.Context, name, description string) (Group, error) {
	if err := (Profile{Description: description}).validate(); err != nil {
		return Group{}, err
	}
	return d.updateGroup(ctx, name, func(group *Group) error { group.Description = description; return nil })
}

func (d *Directory) updateGroup(ctx context.Context, name string, change func(*Group) error) (Group, error) {
	if _, err := d.Group(ctx, name); err != nil {
		return Group{}, err
	}
	return d.groups.Update(ctx, id(name), change)
}

func (d *Directory) normalize(s *Subject) {
	s.Type = strings.ToUpper(s.Type)
	if s.Type == "" {
		s.Type = UserType
	}
	if s.Domain == "" {
		s.Name, s.Domain = d.Split(s.Name)
	}
	s.Domain = strings.ToLower(s.Domain)
}

// checkSubject makes sure that a subject of the own domain is there, and one of another can be; it fills in the name as
// the record has it.
func (d *Directory) checkSubject(ctx context.Context, s *Subject) error {
	d.normalize(s)
	if s.Type != UserType && s.Type != GroupType {
		return fmt.Errorf("%w: %q is no type of subject: USER or GROUP", ErrInvalid, s.Type)
	}
	if s.Domain != d.Domain {
		return d.checkExternal(ctx, *s)
	}
	if s.Type == UserType {
		user, err := d.User(ctx, s.Name)
		s.Name = user.Name
		return err
	}
	if id(s.Name) == id(EveryoneGroup) {
		s.Name = EveryoneGroup
		return nil
	}
	group, err := d.Group(ctx, s.Name)
	s.Name = group.Name
	return err
}

func (d *Directory) checkExternal(ctx context.Context, s Subject) error {
	known, err := d.KnownDomain(ctx, s.Domain)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("%w: there is no identity source of domain %q; %s and those of external providers are known", ErrInvalid, s.Domain, d.Domain)
	}
	if s.Name == "" || len(s.Name) > 256 || strings.ContainsAny(s.Name, "/\\<>&\x00") {
		return fmt.Errorf("%w: %q cannot be a name of domain %s", ErrInvalid, s.Name, s.Domain)
	}
	return nil
}

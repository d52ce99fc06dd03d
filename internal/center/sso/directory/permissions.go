package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pacific/internal/center/store"
)

// Roles on center.
const (
	// Administrator may do everything.
	Administrator = "Administrator"
	// ReadOnly may see everything but secrets.
	ReadOnly = "ReadOnly"
)

// Permission gives a subject a role on all of center.
type Permission struct {
	Subject
	Role string `json:"role"`
}

// Permissions that there are.
func (d *Directory) Permissions(ctx context.Context) ([]Permission, error) {
	items, err := d.permissions.List(ctx)
	permissions := make([]Permission, len(items))
	for i, item := range items {
		permissions[i] = item.Value
	}
	return permissions, err
}

// SetPermission gives a subject a role instead of the one it may have had.
func (d *Directory) SetPermission(ctx context.Context, p Permission) (Permission, error) {
	if p.Role != Administrator && p.Role != ReadOnly {
		return p, fmt.Errorf("%w: %q is no role: %s or %s", ErrInvalid, p.Role, Administrator, ReadOnly)
	}
	if err := d.checkSubject(ctx, &p.Subject); err != nil {
		return p, err
	}
	if p.Role != Administrator && d.builtIn(p.Subject) {
		return p, fmt.Errorf("the role of group %s %w", AdministratorsGroup, ErrBuiltIn)
	}
	return p, retry(func() error {
		_, revision, err := d.permissions.Get(ctx, p.key())
		if errors.Is(err, store.ErrNotFound) {
			if err = d.permissions.Create(ctx, p.key(), p); errors.Is(err, store.ErrExists) {
				return store.ErrConflict
			}
			return err
		}
		if err != nil {
			return err
		}
		return d.permissions.Put(ctx, p.key(), p, revision)
	})
}

// DeletePermission takes a subject's role.
func (d *Directory) DeletePermission(ctx context.Context, s Subject) error {
	d.normalize(&s)
	if d.builtIn(s) {
		return fmt.Errorf("the role of group %s %w", AdministratorsGroup, ErrBuiltIn)
	}
	if err := d.permissions.Delete(ctx, s.key()); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("permission of %s: %w", s, store.ErrNotFound)
		}
		return err
	}
	return nil
}

func (d *Directory) builtIn(s Subject) bool { return s.is(d.administrators()) }

func (d *Directory) administrators() Subject {
	return Subject{Type: GroupType, Name: AdministratorsGroup, Domain: d.Domain}
}

// RolesOf somebody who is in the groups.
func (d *Directory) RolesOf(ctx context.Context, user Subject, groups []Subject) (administrator, readOnly bool, err error) {
	permissions, err := d.Permissions(ctx)
	for _, p := range permissions {
		if !p.is(user) && !slices.ContainsFunc(groups, p.is) {
			continue
		}
		administrator = administrator || p.Role == Administrator
		readOnly = readOnly || p.Role == ReadOnly
	}
	return administrator, readOnly, err
}

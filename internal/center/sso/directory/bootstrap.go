package directory

import (
	"context"
	"errors"
	"fmt"

	"pacific/internal/center/sso/password"
	"pacific/internal/center/store"
)

// Bootstrap makes, at center's first start, the user administrator in the group Administrators with a generated password,
// which announce shows or keeps. Announcing comes before the record is written: after a crash between the two the next start
// announces another password, and none is ever in force that nobody was told.
func (d *Directory) Bootstrap(ctx context.Context, announce func(user, password string) error) error {
	made, _, err := d.settings.Get(ctx, settingsID)
	if err == nil {
		return d.sameDomain(made)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	secret, err := password.Generate(password.DefaultPolicy)
	if err != nil {
		return err
	}
	administrator, err := d.newUser(AdministratorUser, Profile{Description: "made at the first start"})
	if err != nil {
		return err
	}
	if administrator.Hash, err = d.hasher.Hash(ctx, secret); err != nil {
		return err
	}
	if err := announce(AdministratorUser+"@"+d.Domain, secret); err != nil {
		return fmt.Errorf("hand over the password of %s@%s: %w", AdministratorUser, d.Domain, err)
	}
	member := Subject{Type: UserType, Name: AdministratorUser, Domain: d.Domain}
	group := Group{Name: AdministratorsGroup, Description: "may do everything on center", Members: []Subject{member}}
	permission := Permission{Subject: d.administrators(), Role: Administrator}
	err = d.store.Commit(ctx,
		d.settings.CreateOp(settingsID, settings{Domain: d.Domain, Policy: password.DefaultPolicy}),
		d.users.CreateOp(AdministratorUser, administrator),
		d.groups.CreateOp(id(group.Name), group),
		d.permissions.CreateOp(permission.key(), permission),
	)
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("another center made %s@%s at the same moment; its password is valid, not the one announced here", AdministratorUser, d.Domain)
	}
	return err
}

func (d *Directory) sameDomain(made settings) error {
	if made.Domain != d.Domain {
		return fmt.Errorf("the users' domain is %s since the first start; it cannot become %s: names in tokens and access lists would change", made.Domain, d.Domain)
	}
	return nil
}

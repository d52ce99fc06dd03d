package directory

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"pacific/internal/center/store"
)

// User of the domain. One with a certificate instead of a password is a solution user: a program that signs its requests.
type User struct {
	// UID tells a user from an earlier one of the same name.
	UID  string
	Name string
	Profile
	Disabled bool
	Created  time.Time

	Hash        string   // PHC string, empty for a solution user
	History     []string // earlier hashes, the newest first
	PasswordSet time.Time
	Certificate string // PEM, of a solution user

	// Epoch goes up when all sessions so far shall be void; tokens of somebody who signed in before ValidFrom are void too.
	Epoch     int
	ValidFrom time.Time
}

// Profile is what is known about a user besides.
type Profile struct {
	GivenName   string `json:"given_name,omitempty"`
	FamilyName  string `json:"family_name,omitempty"`
	Email       string `json:"email,omitempty"`
	Description string `json:"description,omitempty"`
}

func (p Profile) validate() error {
	for name, value := range map[string]string{"given_name": p.GivenName, "family_name": p.FamilyName, "email": p.Email, "description": p.Description} {
		if !utf8.ValidString(value) || utf8.RuneCountInString(value) > 256 || strings.ContainsFunc(value, unicode.IsControl) {
			return fmt.Errorf("%w: %s must be at most 256 characters of text on one line", ErrInvalid, name)
		}
	}
	return nil
}

// Users of the domain, by name.
func (d *Directory) Users(ctx context.Context) ([]User, error) {
	items, err := d.users.List(ctx)
	users := make([]User, len(items))
	for i, item := range items {
		users[i] = item.Value
	}
	return users, err
}

// User of a name; [store.ErrNotFound].
func (d *Directory) User(ctx context.Context, name string) (User, error) {
	if checkName("user", name) != nil {
		return User{}, fmt.Errorf("user %q: %w", name, store.ErrNotFound)
	}
	user, _, err := d.users.Get(ctx, id(name))
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("user %s@%s: %w", name, d.Domain, store.ErrNotFound)
	}
	return user, err
}

// CreateUser with a password that meets the policy.
func (d *Directory) CreateUser(ctx context.Context, name string, profile Profile, password string) (User, error) {
	user, err := d.newUser(name, profile)
	if err != nil {
		return User{}, err
	}
	policy, err := d.Policy(ctx)
	if err != nil {
		return User{}, err
	}
	if err := invalid(policy.Check(name, password)); err != nil {
		return User{}, err
	}
	if user.Hash, err = d.hasher.Hash(ctx, password); err != nil {
		return User{}, err
	}
	return user, d.create(ctx, user)
}

// CreateSolutionUser makes a user that signs in by the key of a certificate.
func (d *Directory) CreateSolutionUser(ctx context.Context, name string, profile Profile, certificatePEM string) (User, error) {
	user, err := d.newUser(name, profile)
	if err != nil {
		return User{}, err
	}
	cert, err := parseCertificate(certificatePEM)
	if err != nil {
		return User{}, err
	}
	user.Certificate = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	if other, err := d.UserOfCertificate(ctx, cert.Raw); err == nil {
		return User{}, fmt.Errorf("%w: the certificate is already that of user %s", ErrInvalid, other.Name)
	}
	return user, d.create(ctx, user)
}

func (d *Directory) create(ctx context.Context, user User) error {
	err := d.users.Create(ctx, id(user.Name), user)
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("user %s@%s: %w", user.Name, d.Domain, store.ErrExists)
	}
	return err
}

func (d *Directory) newUser(name string, profile Profile) (User, error) {
	if err := errors.Join(checkName("user", name), profile.validate()); err != nil {
		return User{}, err
	}
	now := d.now().UTC()
	return User{UID: uuid.NewString(), Name: name, Profile: profile, Created: now, PasswordSet: now, ValidFrom: now}, nil
}

func parseCertificate(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("%w: the certificate must be one PEM block of type CERTIFICATE", ErrInvalid)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return cert, invalid(err)
}

// UserOfCertificate is the solution user with exactly this certificate (DER).
func (d *Directory) UserOfCertificate(ctx context.Context, der []byte) (User, error) {
	users, err := d.Users(ctx)
	if err != nil {
		return User{}, err
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for _, user := range users {
		if user.Certificate == text && !user.Disabled {
			return user, nil
		}
	}
	return User{}, ErrCredentials
}

// UpdateUser changes the profile, or whether the user may sign in.
func (d *Directory) UpdateUser(ctx context.Context, name string, change func(profile *Profile, disabled *bool)) (User, error) {
	return d.update(ctx, name, func(user *User) error {
		was := user.Disabled
		change(&user.Profile, &user.Disabled)
		if user.Disabled && id(user.Name) == AdministratorUser {
			return fmt.Errorf("user %s %w and cannot be disabled", user.Name, ErrBuiltIn)
		}
		if user.Disabled && !was {
			d.revoke(user)
		}
		return user.validate()
	})
}

// revoke all that the user has been given so far.
func (d *Directory) revoke(user *User) {
	user.Epoch++
	user.ValidFrom = d.now().UTC()
}

func (d *Directory) update(ctx context.Context, name string, change func(*User) error) (User, error) {
	if _, err := d.User(ctx, name); err != nil {
		return User{}, err
	}
	return d.users.Update(ctx, id(name), change)
}

// DeleteUser and its memberships and permissions.
func (d *Directory) DeleteUser(ctx context.Context, name string) error {
	if id(name) == AdministratorUser {
		return fmt.Errorf("user %s %w and cannot be deleted", name, ErrBuiltIn)
	}
	return retry(func() error {
		if _, err := d.User(ctx, name); err != nil {
			return err
		}
		_, revision, err := d.users.Get(ctx, id(name))
		if err != nil {
			return err
		}
		ops, err := d.forget(ctx, Subject{Type: UserType, Name: name, Domain: d.Domain})
		if err != nil {
			return err
		}
		return d.store.Commit(ctx, append(ops, d.users.DeleteOp(id(name), revision))...)
	})
}

// SetPassword of a user by an administrator: it also unlocks, and ends the user's sessions.
func (d *Directory) SetPassword(ctx context.Context, name, password string) error {
	user, err := d.User(ctx, name)
	if err != nil {
		return err
	}
	if user.Certificate != "" {
		return fmt.Errorf("%w: %s is a solution user, which has a certificate and no password", ErrInvalid, user.Name)
	}
	policy, err := d.Policy(ctx)
	if err != nil {
		return err
	}
	if err := invalid(policy.Check(user.Name, password)); err != nil {
		return err
	}
	if err := d.checkHistory(ctx, user, password, policy.History); err != nil {
		return err
	}
	hash, err := d.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = d.update(ctx, name, func(now *User) error {
		if now.Hash != user.Hash || now.UID != user.UID {
			return fmt.Errorf("password of user %s: %w", name, store.ErrConflict)
		}
		earlier := append([]string{now.Hash}, now.History...)
		now.History = slices.Clip(earlier[:min(len(earlier), policy.History)])
		now.Hash, now.PasswordSet = hash, d.now().UTC()
		d.revoke(now)
		return nil
	})
	if err != nil {
		return err
	}
	return d.Unlock(ctx, name)
}

func (d *Directory) checkHistory(ctx context.Context, user User, password string, history int) error {
	earlier := append([]string{user.Hash}, user.History...)
	for _, hash := range earlier[:min(len(earlier), history)] {
		if ok, _, err := d.hasher.Verify(ctx, hash, password); ok || err != nil {
			return errors.Join(err, fmt.Errorf("%w: the password must not be one of the last %d", ErrInvalid, history))
		}
	}
	return nil
}

// retry what reads, decides and commits until nobody came between.
func retry(attempt func() error) error {
	for {
		if err := attempt(); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Package directory is center's own identity source: its users, groups, password policy and the roles they have on center.
//
// Names are compared without regard to case; a record keeps the case it was made with, and that is what tokens carry. A
// record that is deleted takes along what refers to it, in one transaction, so that a namesake made later inherits nothing.
package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"pacific/internal/center/sso/password"
	"pacific/internal/center/store"
)

// What every directory has and nobody may delete.
const (
	AdministratorUser   = "administrator"
	AdministratorsGroup = "Administrators"
	// EveryoneGroup has all users of the domain as members; it has no record.
	EveryoneGroup = "Everyone"
)

// Error classes besides those of the store.
var (
	// ErrCredentials is all that somebody learns who could not sign in, whether there is such a user or not.
	ErrCredentials = errors.New("the user name or the password is wrong, or the user is locked for a while after too many failures")
	// ErrRefused is for users who gave the right password and may not sign in nevertheless.
	ErrRefused = errors.New("signing in is refused")
	ErrInvalid = errors.New("invalid")
	ErrBuiltIn = errors.New("is built in")
)

// Directory of one domain. All its state is in the store.
type Directory struct {
	Domain string

	store       *store.Store
	users       store.Collection[User]
	groups      store.Collection[Group]
	permissions store.Collection[Permission]
	failures    store.Collection[failures]
	settings    store.Collection[settings]
	hasher      *password.Hasher
	logins      keyedLock
	now         func() time.Time
	// KnownDomain tells whether there is an external identity source of that domain, whose people may be in groups.
	KnownDomain func(ctx context.Context, domain string) (bool, error)
}

type settings struct {
	Domain string
	Policy password.Policy
}

const settingsID = "local"

// Options of a directory; zero values stand for what is used in production.
type Options struct {
	Parameters password.Parameters
	Now        func() time.Time
}

// New is the directory of a domain, such as pacific.local.
func New(s *store.Store, domain string, o Options) (*Directory, error) {
	if err := checkDomain(domain); err != nil {
		return nil, err
	}
	if o.Parameters == (password.Parameters{}) {
		o.Parameters = password.DefaultParameters
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Directory{
		Domain: domain, store: s, hasher: password.NewHasher(o.Parameters), now: o.Now,
		users:       store.Of[User](s, "sso-users"),
		groups:      store.Of[Group](s, "sso-groups"),
		permissions: store.Of[Permission](s, "sso-permissions"),
		failures:    store.Of[failures](s, "sso-failures"),
		settings:    store.Of[settings](s, "sso-settings"),
		KnownDomain: func(context.Context, string) (bool, error) { return false, nil },
	}, nil
}

// Policy for passwords as it is now.
func (d *Directory) Policy(ctx context.Context) (password.Policy, error) {
	s, _, err := d.settings.Get(ctx, settingsID)
	return s.Policy, err
}

// ChangePolicy by a function; passwords that there are stay valid.
func (d *Directory) ChangePolicy(ctx context.Context, change func(*password.Policy)) (password.Policy, error) {
	s, err := d.settings.Update(ctx, settingsID, func(s *settings) error {
		change(&s.Policy)
		return invalid(s.Policy.Validate())
	})
	return s.Policy, err
}

var (
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$`)
	domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
)

func checkName(what, name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%w: %q cannot be a %s's name: it takes 1 to 64 letters, digits, '.', '_' and '-', with a letter or digit at both ends", ErrInvalid, name, what)
	}
	return nil
}

func checkDomain(domain string) error {
	if len(domain) > 253 || !domainPattern.MatchString(domain) {
		return fmt.Errorf("%w: %q cannot be a domain of users: it must be a DNS name in lower case", ErrInvalid, domain)
	}
	return nil
}

func invalid(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

func id(name string) string { return strings.ToLower(name) }

// Split a name as people write it, name@domain, domain\name or just a name of the directory's own domain.
func (d *Directory) Split(full string) (name, domain string) {
	if before, after, ok := strings.Cut(full, `\`); ok {
		return after, strings.ToLower(before)
	}
	if at := strings.LastIndexByte(full, '@'); at >= 0 {
		return full[:at], strings.ToLower(full[at+1:])
	}
	return full, d.Domain
}

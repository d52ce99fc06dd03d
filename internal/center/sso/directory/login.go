package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"pacific/internal/center/store"
)

// failures to sign in, of a user or of one of the decoys.
type failures struct {
	Count       int
	First, Last time.Time
}

// decoys is how many records count the failures of names that nobody has. They make such an attempt cost what it costs for
// a name that is there, without a record for whatever name comes along.
const decoys = 64

func failureID(name string, known bool) string {
	if known {
		return id(name)
	}
	sum := sha256.Sum256([]byte(id(name)))
	return fmt.Sprintf("-%02d", int(sum[0])%decoys) // no user's name begins with "-"
}

// Authenticate a user by password. Whether the name, the password or a lock was the reason, the answer is [ErrCredentials]
// after the same work; attempts for one name come one after another, so that many at once are no more guesses.
func (d *Directory) Authenticate(ctx context.Context, name, password string) (User, error) {
	release, err := d.logins.lock(ctx, failureID(name, false)+id(name[:min(len(name), 64)]))
	if err != nil {
		return User{}, err
	}
	defer release()
	user, err := d.User(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return User{}, err
	}
	known := err == nil && user.Hash != ""
	policy, err := d.Policy(ctx)
	if err != nil {
		return User{}, err
	}
	past, _, err := d.failures.Get(ctx, failureID(name, known))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return User{}, err
	}
	ok, stale, err := d.check(ctx, user, known, password)
	if err != nil {
		return User{}, err
	}
	now := d.now().UTC()
	switch {
	case now.Before(policy.LockedUntil(past.Count, past.Last)):
		return User{}, ErrCredentials
	case !ok:
		return User{}, errors.Join(ErrCredentials, d.recordFailure(ctx, failureID(name, known), now))
	case user.Disabled:
		return User{}, fmt.Errorf("%w: user %s is disabled; an administrator can enable it", ErrRefused, user.Name)
	case policy.Expired(user.PasswordSet, now):
		return User{}, fmt.Errorf("%w: the password of user %s is older than %d days; an administrator can set a new one", ErrRefused, user.Name, policy.MaxAgeDays)
	}
	return user, d.succeeded(ctx, user, password, past.Count > 0, stale)
}

func (d *Directory) check(ctx context.Context, user User, known bool, password string) (ok, stale bool, err error) {
	const longest = 4096 // no password is that long; a longer one only costs time
	password = password[:min(len(password), longest)]
	if !known {
		return false, false, d.hasher.Waste(ctx, password)
	}
	return d.hasher.Verify(ctx, user.Hash, password)
}

func (d *Directory) recordFailure(ctx context.Context, key string, now time.Time) error {
	policy, err := d.Policy(ctx)
	if err != nil {
		return err
	}
	return retry(func() error {
		f, revision, err := d.failures.Get(ctx, key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		fresh := now.Sub(f.First) > policy.Window() || f.Count >= policy.MaxFailedAttempts && policy.MaxFailedAttempts > 0
		if revision == 0 || fresh {
			f = failures{First: now}
		}
		f.Count++
		f.Last = now
		if revision != 0 {
			return d.failures.Put(ctx, key, f, revision)
		}
		if err := d.failures.Create(ctx, key, f); errors.Is(err, store.ErrExists) {
			return store.ErrConflict
		} else {
			return err
		}
	})
}

// succeeded forgets the failures, and hashes the password anew when the parameters have changed.
func (d *Directory) succeeded(ctx context.Context, user User, password string, failed, stale bool) error {
	if failed {
		if err := d.Unlock(ctx, user.Name); err != nil {
			return err
		}
	}
	if !stale {
		return nil
	}
	hash, err := d.hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	_, err = d.update(ctx, user.Name, func(now *User) error {
		if now.Hash == user.Hash {
			now.Hash = hash
		}
		return nil
	})
	return err
}

// ChangePassword by the user, who has to know the present one. It works for one that has expired.
func (d *Directory) ChangePassword(ctx context.Context, name, current, next string) error {
	if _, err := d.Authenticate(ctx, name, current); err != nil && !errors.Is(err, ErrRefused) {
		return err
	}
	return d.SetPassword(ctx, name, next)
}

// Unlock a user who failed too often.
func (d *Directory) Unlock(ctx context.Context, name string) error {
	if _, err := d.User(ctx, name); err != nil {
		return err
	}
	if err := d.failures.Delete(ctx, id(name)); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// LockedUntil of each user who is locked now, by name in lower case.
func (d *Directory) LockedUntil(ctx context.Context) (map[string]time.Time, error) {
	policy, err := d.Policy(ctx)
	if err != nil {
		return nil, err
	}
	items, err := d.failures.List(ctx)
	if err != nil {
		return nil, err
	}
	locked := map[string]time.Time{}
	for _, item := range items {
		if until := policy.LockedUntil(item.Value.Count, item.Value.Last); d.now().Before(until) {
			locked[item.ID] = until
		}
	}
	return locked, nil
}

package exchange

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// keyLife is how long a key signs.
	keyLife = 30 * 24 * time.Hour
	// announcement is how long a key is published before it signs: a Supervisor that was cut off from center for less has
	// it when the first token signed by it arrives.
	announcement = 24 * time.Hour
	// skew is how far clocks may differ, and how long a request may be under way.
	skew = 5 * time.Minute
)

// Key is the record of a signing key. It signs from ActiveFrom until another becomes active, and is published from its
// creation until the last token that it signed has run out.
type Key struct {
	Created    time.Time `json:"created"`
	ActiveFrom time.Time `json:"active_from"`
	// Private is an ECDSA key on P-256 as PKCS #8.
	Private []byte `json:"private"`
}

// keyring is the keys by their ids.
type keyring map[string]Key

// newKey makes a key that is not used before activeFrom. Its id is the RFC 7638 thumbprint.
func newKey(now, activeFrom time.Time) (id string, key Key, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", Key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", Key{}, err
	}
	id, err = thumbprint(private)
	return id, Key{Created: now, ActiveFrom: activeFrom, Private: der}, err
}

func (k Key) private() (*ecdsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("got a %T, want an ECDSA key", parsed)
	}
	return private, nil
}

// rotation is what to do with the keys at a moment.
type rotation struct {
	// Make is when the key that has to be made becomes active; zero if none has to.
	Make time.Time
	// Drop are ids of keys by which no token that still counts was signed.
	Drop []string
}

// plan decides over the keys. A center that was off when the next key was due goes on with the old one until the next
// has been published for the full time.
func (r keyring) plan(now time.Time) rotation {
	ids := r.ordered()
	if len(ids) == 0 {
		return rotation{Make: now}
	}
	var todo rotation
	newest := r[ids[len(ids)-1]]
	switch due := newest.ActiveFrom.Add(keyLife); {
	case now.Add(announcement).Before(due):
	case now.Add(announcement).After(due):
		todo.Make = now.Add(announcement)
	default:
		todo.Make = due
	}
	for i, id := range ids[:len(ids)-1] {
		successor := r[ids[i+1]].ActiveFrom
		if now.After(successor.Add(TokenLife + skew)) {
			todo.Drop = append(todo.Drop, id)
		}
	}
	return todo
}

// signer is the key that signs at a moment: the one that became active last.
func (r keyring) signer(now time.Time) (id string, ok bool) {
	for _, candidate := range r.ordered() {
		if !r[candidate].ActiveFrom.After(now) {
			id, ok = candidate, true
		}
	}
	return id, ok
}

// published is what verifiers are told.
func (r keyring) published() (jose.JSONWebKeySet, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, id := range r.ordered() {
		private, err := r[id].private()
		if err != nil {
			return set, fmt.Errorf("signing key %s: %w", id, err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: private.Public(), KeyID: id, Algorithm: string(jose.ES256), Use: "sig"})
	}
	return set, nil
}

// ordered are the ids in the order in which the keys become active.
func (r keyring) ordered() []string {
	ids := make([]string, 0, len(r))
	for id := range r {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(r[a].ActiveFrom.Compare(r[b].ActiveFrom), cmp.Compare(a, b))
	})
	return ids
}

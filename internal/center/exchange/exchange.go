// Package exchange is the Token Exchange Service (RFC 8693): a SAML assertion in, a JWT for a Supervisor out. It keeps the keys
// that sign the tokens, and publishes them as an OpenID Connect issuer does, so that a kube-apiserver can verify the tokens.
package exchange

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/klog/v2"

	"pacific/internal/center/store"
)

// checkInterval is far below the time for which a key is announced.
const checkInterval = 10 * time.Minute

// ErrRefused is what a [Verifier] wraps when it is the assertion that is wrong, and not center that cannot tell.
var ErrRefused = errors.New("the assertion is refused")

// Verifier tells whom an assertion speaks of. It refuses what was not signed by center, is not of now, or is no bearer
// assertion: who shows one bound to a key has to prove that he has the key, which an exchange has no place for.
type Verifier interface {
	Verify(ctx context.Context, assertion []byte) (Subject, error)
}

// Audiences tells for whom tokens are made.
type Audiences interface {
	// Has tells whether a Supervisor has that audience.
	Has(ctx context.Context, audience string) (bool, error)
}

// Config is what the service depends on.
type Config struct {
	Store *store.Store
	// Issuer is the URL that stands in the tokens, without a slash at the end; what is below its path is served by [Service.Routes].
	Issuer    string
	Verifier  Verifier
	Audiences Audiences
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Service exchanges tokens.
type Service struct {
	config Config
	keys   store.Collection[Key]
	used   store.Collection[Use]
}

// Use is the record of an assertion that was exchanged. It ends with the assertion.
type Use struct {
	Subject string `json:"subject"`
}

// New returns the service. It works as soon as [Service.Run] has made the first key.
func New(config Config) *Service {
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Issuer = strings.TrimSuffix(config.Issuer, "/")
	return &Service{config: config, keys: store.Of[Key](config.Store, "token-keys"), used: store.Of[Use](config.Store, "used-assertions")}
}

// Run rotates the keys until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	changes := s.keys.Watch(ctx)
	for {
		if err := s.rotate(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Cannot rotate the keys of tokens; will try again", "after", checkInterval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-changes:
		}
	}
}

// rotate does what is due.
func (s *Service) rotate(ctx context.Context) error {
	keys, revisions, err := s.load(ctx)
	if err != nil {
		return err
	}
	todo := keys.plan(s.config.Now())
	if !todo.Make.IsZero() {
		if err := s.makeKey(ctx, todo.Make); err != nil {
			return err
		}
	}
	for _, id := range todo.Drop {
		if err := s.config.Store.Commit(ctx, s.keys.DeleteOp(id, revisions[id])); err != nil {
			return err
		}
		klog.InfoS("Dropped a key: its last token has run out", "key", id)
	}
	return nil
}

func (s *Service) makeKey(ctx context.Context, activeFrom time.Time) error {
	id, key, err := newKey(s.config.Now(), activeFrom)
	if err != nil {
		return fmt.Errorf("make a key for tokens: %w", err)
	}
	if err := s.keys.Create(ctx, id, key); err != nil {
		return err
	}
	klog.InfoS("Made a key for tokens", "key", id, "signsFrom", activeFrom.UTC().Format(time.RFC3339))
	return nil
}

func (s *Service) load(ctx context.Context) (keyring, map[string]store.Revision, error) {
	items, err := s.keys.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	keys, revisions := keyring{}, map[string]store.Revision{}
	for _, item := range items {
		keys[item.ID], revisions[item.ID] = item.Value, item.Revision
	}
	return keys, revisions, nil
}

// JWKS is the set of keys by which tokens are verified.
func (s *Service) JWKS(ctx context.Context) (jose.JSONWebKeySet, error) {
	keys, _, err := s.load(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	return keys.published()
}

// exchange gives a token for an assertion. An error that is no *failure is center's own.
func (s *Service) exchange(ctx context.Context, r request) (string, error) {
	known, err := s.config.Audiences.Has(ctx, r.Audience)
	if err != nil {
		return "", err
	}
	if !known {
		return "", &failure{Status: http.StatusBadRequest, Code: "invalid_target", Description: fmt.Sprintf("no Supervisor has the audience %q", r.Audience)}
	}
	subject, err := s.config.Verifier.Verify(ctx, r.Assertion)
	if errors.Is(err, ErrRefused) {
		klog.InfoS("Refused an assertion", "err", err)
		return "", refused(err.Error())
	}
	if err != nil {
		return "", fmt.Errorf("verify an assertion: %w", err)
	}
	if subject.ID == "" || subject.Name == "" || subject.Domain == "" {
		return "", refused("the assertion has no ID or no subject of the form name@domain")
	}
	// The key first: an assertion must not be used up for nothing.
	now := s.config.Now()
	keys, _, err := s.load(ctx)
	if err != nil {
		return "", err
	}
	id, ok := keys.signer(now)
	if !ok {
		return "", errors.New("there is no key for tokens yet: try again")
	}
	private, err := keys[id].private()
	if err != nil {
		return "", fmt.Errorf("signing key %s: %w", id, err)
	}
	if err := s.useOnce(ctx, subject, now); err != nil {
		return "", err
	}
	claims := claimsOf(s.config.Issuer, r.Audience, subject, now)
	klog.InfoS("Issued a token", "subject", claims.Subject, "audience", r.Audience, "id", claims.ID)
	return sign(claims, id, private)
}

func refused(description string) *failure {
	return &failure{Status: http.StatusBadRequest, Code: "invalid_grant", Description: description}
}

// useOnce records that the assertion was exchanged, until it ends by itself.
func (s *Service) useOnce(ctx context.Context, subject Subject, now time.Time) error {
	// The ID comes from elsewhere, and a record's id must not hold a slash.
	sum := sha256.Sum256([]byte(subject.ID))
	life := subject.NotOnOrAfter.Sub(now) + skew
	err := s.used.CreateFor(ctx, hex.EncodeToString(sum[:]), Use{Subject: subject.Name + "@" + subject.Domain}, life)
	if errors.Is(err, store.ErrExists) {
		klog.InfoS("Refused an assertion that was exchanged before", "subject", subject.Name+"@"+subject.Domain)
		return refused("the assertion was exchanged before: get a new one")
	}
	return err
}

package oidc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	library "github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"

	"pacific/internal/center/store"
)

// ErrToken is for a token that proves nothing.
var ErrToken = errors.New("the token is refused")

// Identity is whom a token speaks of.
type Identity struct {
	Name, Domain string
	Groups       []string
	NotAfter     time.Time
}

// Providers that there are, and their keys as they were last seen.
type Providers struct {
	records store.Collection[Provider]
	own     string
	now     func() time.Time

	mu    sync.Mutex
	known map[string]verifier // by the provider's id
}

type verifier struct {
	revision store.Revision
	verify   *library.IDTokenVerifier
}

// New keeps providers in a store; own is the domain that none of them may have.
func New(s *store.Store, own string, now func() time.Time) *Providers {
	return &Providers{records: store.Of[Provider](s, "sso-providers"), own: own, now: now, known: map[string]verifier{}}
}

// List providers.
func (p *Providers) List(ctx context.Context) ([]store.Item[Provider], error) {
	return p.records.List(ctx)
}

// Get a provider; [store.ErrNotFound].
func (p *Providers) Get(ctx context.Context, id string) (Provider, error) {
	provider, _, err := p.records.Get(ctx, id)
	return provider, err
}

// Create a provider; its id.
func (p *Providers) Create(ctx context.Context, provider Provider) (string, error) {
	if err := p.check(ctx, "", &provider); err != nil {
		return "", err
	}
	id := uuid.NewString()
	return id, p.records.Create(ctx, id, provider)
}

// Update a provider by a function.
func (p *Providers) Update(ctx context.Context, id string, change func(*Provider)) (Provider, error) {
	return p.records.Update(ctx, id, func(provider *Provider) error {
		change(provider)
		return p.check(ctx, id, provider)
	})
}

// Delete a provider. Who signed in by it has no session any more.
func (p *Providers) Delete(ctx context.Context, id string) error { return p.records.Delete(ctx, id) }

func (p *Providers) check(ctx context.Context, id string, provider *Provider) error {
	if err := provider.complete(); err != nil {
		return err
	}
	if provider.Domain == p.own {
		return fmt.Errorf("%w: domain %s is that of center's own users", ErrInvalid, p.own)
	}
	others, err := p.records.List(ctx)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.ID != id && (other.Value.Domain == provider.Domain || other.Value.IssuerURL == provider.IssuerURL) {
			return fmt.Errorf("identity provider of domain %s or issuer %s: %w", provider.Domain, provider.IssuerURL, store.ErrExists)
		}
	}
	return nil
}

// HasDomain tells whether there is a provider of that domain.
func (p *Providers) HasDomain(ctx context.Context, domain string) (bool, error) {
	items, err := p.records.List(ctx)
	for _, item := range items {
		if item.Value.Domain == domain {
			return true, nil
		}
	}
	return false, err
}

// Verify an ID token by the keys of the provider that it names. Signature, issuer, audience and times are checked. Errors that
// wrap [ErrToken] are the token's fault, others the provider's or the store's.
func (p *Providers) Verify(ctx context.Context, token string) (Identity, error) {
	item, err := p.issuerOf(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	v, err := p.verifier(ctx, item)
	if err != nil {
		return Identity{}, fmt.Errorf("identity provider %s does not answer: %w", item.Value.DisplayName, err)
	}
	verified, err := v.Verify(ctx, token)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return read(item.Value, verified)
}

// maxToken is far above the longest that a header can carry.
const maxToken = 64 << 10

// issuerOf finds the provider by what the token claims; that this is true is verified by the provider's keys.
func (p *Providers) issuerOf(ctx context.Context, token string) (store.Item[Provider], error) {
	none := store.Item[Provider]{}
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxToken {
		return none, fmt.Errorf("%w: it is no signed JWT", ErrToken)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Issuer string `json:"iss"`
	}
	if err != nil || json.Unmarshal(data, &claims) != nil {
		return none, fmt.Errorf("%w: it is no signed JWT", ErrToken)
	}
	items, err := p.records.List(ctx)
	if err != nil {
		return none, err
	}
	for _, item := range items {
		if item.Value.IssuerURL == claims.Issuer {
			return item, nil
		}
	}
	return none, fmt.Errorf("%w: %.256q is no identity provider of center", ErrToken, claims.Issuer)
}

// verifier with the provider's keys, which it fetches again when a token names one that it has not seen.
func (p *Providers) verifier(ctx context.Context, item store.Item[Provider]) (*library.IDTokenVerifier, error) {
	p.mu.Lock()
	known, ok := p.known[item.ID]
	p.mu.Unlock()
	if ok && known.revision == item.Revision {
		return known.verify, nil
	}
	// The keys are fetched with this context later too, so it must not end with the call.
	fetch := library.ClientContext(context.WithoutCancel(ctx), item.Value.client())
	provider, err := library.NewProvider(fetch, item.Value.IssuerURL)
	if err != nil {
		return nil, err
	}
	verify := provider.VerifierContext(fetch, &library.Config{ClientID: item.Value.ClientID, Now: p.now})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known[item.ID] = verifier{item.Revision, verify}
	return verify, nil
}

// providerTimeout for one question to a provider.
const providerTimeout = 10 * time.Second

func (p Provider) client() *http.Client {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.CertificateAuthorityData != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(p.CertificateAuthorityData))
	}
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute}
	return &http.Client{Timeout: providerTimeout, Transport: transport}
}

func read(provider Provider, token *library.IDToken) (Identity, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	name, _ := claims[provider.usernameClaim()].(string)
	if provider.usernameClaim() == "email" && claims["email_verified"] == false {
		return Identity{}, fmt.Errorf("%w: the provider has not verified the mail address", ErrToken)
	}
	if name = strings.TrimSuffix(name, "@"+provider.Domain); name == "" {
		return Identity{}, fmt.Errorf("%w: it has no claim %s with the user's name", ErrToken, provider.usernameClaim())
	}
	identity := Identity{Name: name, Domain: provider.Domain, NotAfter: token.Expiry}
	groups, _ := claims[provider.groupsClaim()].([]any)
	for _, group := range groups {
		if text, ok := group.(string); ok && text != "" {
			identity.Groups = append(identity.Groups, text)
		}
	}
	return identity, nil
}

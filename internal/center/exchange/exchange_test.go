package exchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
)

// verifier takes assertions of the form "ID user"; it has the clock of the test.
type verifier struct{ now func() time.Time }

func (v verifier) Verify(_ context.Context, assertion []byte) (Subject, error) {
	id, user, ok := strings.Cut(string(assertion), " ")
	if !ok {
		return Subject{}, fmt.Errorf("%w: its signature is not center's", ErrRefused)
	}
	if user == "unknown" {
		return Subject{}, errors.New("the directory does not answer")
	}
	return Subject{ID: id, Name: user, Domain: "pacific.local", Groups: []string{"Devs@pacific.local"}, NotOnOrAfter: v.now().Add(5 * time.Minute)}, nil
}

type audiences map[string]bool

func (a audiences) Has(_ context.Context, audience string) (bool, error) { return a[audience], nil }

type center struct {
	t       *testing.T
	service *Service
	server  *httptest.Server
	now     time.Time
}

func newCenter(t *testing.T, s *store.Store) *center {
	c := &center{t: t, now: start}
	clock := func() time.Time { return c.now }
	c.service = New(Config{Store: s, Issuer: "https://center/openidconnect/", Verifier: verifier{clock}, Audiences: audiences{"domain-c1": true}, Now: clock})
	c.server = httptest.NewServer(rest.NewServer(nil, nil, c.service.Routes()))
	t.Cleanup(c.server.Close)
	return c
}

func (c *center) rotate() {
	c.t.Helper()
	if err := c.service.rotate(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func (c *center) get(path string, into any) {
	c.t.Helper()
	response, err := http.Get(c.server.URL + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
}

// exchange returns the token, or the error's code.
func (c *center) exchange(assertion, audience string) (token, code string) {
	c.t.Helper()
	values := good()
	values.Set("subject_token", "<"+assertion) // as it is; the verifier of this test does not mind
	values.Set("audience", audience)
	return c.post(values)
}

func (c *center) post(values url.Values) (token, code string) {
	c.t.Helper()
	response, err := http.PostForm(c.server.URL+TokenPath, values)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var body struct {
		answer
		failure
	}
	if err := json.Unmarshal(data, &body); err != nil {
		c.t.Fatalf("%s: %v", data, err)
	}
	if (response.StatusCode == http.StatusOK) != (body.Code == "") || response.Header.Get("Cache-Control") != "no-store" {
		c.t.Errorf("%s: %s", response.Status, data)
	}
	return body.AccessToken, body.Code
}

// claims verifies a token as a Supervisor does.
func (c *center) claims(token string) (Claims, error) {
	c.t.Helper()
	var set jose.JSONWebKeySet
	c.get("/openidconnect/jwks", &set)
	for _, key := range set.Keys {
		if !key.IsPublic() {
			c.t.Fatalf("the key %s is published with its private part", key.KeyID)
		}
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		c.t.Fatal(err)
	}
	var claims Claims
	return claims, parsed.Claims(set, &claims)
}

func TestExchange(t *testing.T) {
	c := newCenter(t, storetest.New(t))
	if _, code := c.exchange("1 dev1", "domain-c1"); code != "temporarily_unavailable" {
		t.Errorf("without a key: %q", code)
	}
	c.rotate()
	token, code := c.exchange("1 dev1", "domain-c1")
	if code != "" {
		t.Fatal(code)
	}
	claims, err := c.claims(token)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != "dev1@pacific.local" || claims.Issuer != "https://center/openidconnect" || !claims.Audience.Contains("domain-c1") ||
		claims.Domain != "pacific.local" || len(claims.GroupNames) != 1 || claims.GroupNames[0] != "Devs@pacific.local" || claims.ID == "" {
		t.Errorf("got %+v", claims)
	}
	if got := *claims.Expiry - *claims.IssuedAt; got != 36000 || *claims.NotBefore != *claims.IssuedAt {
		t.Errorf("counts %d s", got)
	}
	if _, code := c.exchange("no-signature", "domain-c1"); code != "invalid_grant" {
		t.Errorf("refused assertion: %q", code)
	}
	if _, code := c.exchange("2 dev1", "domain-c9"); code != "invalid_target" {
		t.Errorf("unknown Supervisor: %q", code)
	}
	if _, code := c.exchange("2 unknown", "domain-c1"); code != "temporarily_unavailable" {
		t.Errorf("center cannot tell: %q", code)
	}
	if _, code := c.exchange("2 ", "domain-c1"); code != "invalid_grant" {
		t.Errorf("no subject: %q", code)
	}
}

// What was exchanged is in the store, so it is known after a restart of center too.
func TestAnAssertionCanBeExchangedOnce(t *testing.T) {
	s := storetest.New(t)
	first := newCenter(t, s)
	first.rotate()
	if _, code := first.exchange("1 dev1", "domain-c1"); code != "" {
		t.Fatal(code)
	}
	if _, code := first.exchange("1 dev1", "domain-c1"); code != "invalid_grant" {
		t.Errorf("again: %q", code)
	}
	restarted := newCenter(t, s)
	if _, code := restarted.exchange("1 dev1", "domain-c1"); code != "invalid_grant" {
		t.Errorf("after a restart: %q", code)
	}
	if _, code := restarted.exchange("2 dev1", "domain-c1"); code != "" {
		t.Errorf("another assertion: %q", code)
	}
}

func TestTokensOutliveTheRotationOfTheirKey(t *testing.T) {
	c := newCenter(t, storetest.New(t))
	c.rotate()
	c.now = days(29)
	c.rotate()
	c.now = days(29.99)
	before, _ := c.exchange("1 dev1", "domain-c1")
	c.now = days(30.01)
	c.rotate()
	after, _ := c.exchange("2 dev1", "domain-c1")
	for _, token := range []string{before, after} {
		if _, err := c.claims(token); err != nil {
			t.Error(err)
		}
	}
	c.now = days(31)
	c.rotate()
	if _, err := c.claims(before); err == nil {
		t.Error("the old key is still published when its last token has run out")
	}
	if _, err := c.claims(after); err != nil {
		t.Error(err)
	}
}

func TestDiscovery(t *testing.T) {
	c := newCenter(t, storetest.New(t))
	var document map[string]any
	c.get("/openidconnect/.well-known/openid-configuration", &document)
	if document["issuer"] != "https://center/openidconnect" || document["jwks_uri"] != "https://center/openidconnect/jwks" || document["token_endpoint"] != "https://center/token-exchange" {
		t.Errorf("got %v", document)
	}
}

func TestRunMakesTheFirstKey(t *testing.T) {
	c := newCenter(t, storetest.New(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	changes := c.service.keys.Watch(ctx)
	ended := make(chan error, 1)
	go func() { ended <- c.service.Run(ctx) }()
	for range changes {
		if set, err := c.service.JWKS(ctx); err == nil && len(set.Keys) == 1 {
			cancel()
		}
	}
	if err := <-ended; err != nil || ctx.Err() != context.Canceled {
		t.Errorf("got %v, %v", err, ctx.Err())
	}
}

func TestRotationByHand(t *testing.T) {
	c := newCenter(t, storetest.New(t))
	c.rotate()
	first, _ := c.exchange("1 dev1", "domain-c1")
	c.now = c.now.Add(time.Hour)
	if err := c.service.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	second, _ := c.exchange("2 dev1", "domain-c1")
	for name, token := range map[string]string{"before": first, "after": second} {
		if _, err := c.claims(token); err != nil {
			t.Errorf("the token from %s the rotation: %v", name, err)
		}
	}
	c.now = c.now.Add(time.Hour)
	if err := c.service.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	third, _ := c.exchange("3 dev1", "domain-c1")
	if _, err := c.claims(third); err != nil {
		t.Error(err)
	}
	for _, token := range []string{first, second} {
		if _, err := c.claims(token); err == nil {
			t.Error("a revoked key still verifies")
		}
	}
	infos, err := c.service.list(t.Context())
	if err != nil || len(infos) != 1 || !infos[0].Signs {
		t.Errorf("got %+v, %v", infos, err)
	}
}

package sso_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pacific/internal/center/sso"
)

// provider is an OpenID Connect provider: discovery, keys, and tokens signed by them.
type provider struct {
	*httptest.Server
	t   *testing.T
	key *rsa.PrivateKey
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []map[string]string{{
			"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1", "n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes()),
		}}})
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

type claims map[string]any

func (p *provider) claims(change claims) claims {
	c := claims{
		"iss": p.URL, "aud": "pacific", "sub": "4711", "name": "alice@corp.example", "groups": []string{"builders"},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	for name, value := range change {
		c[name] = value
	}
	return c
}

func (p *provider) token(alg string, c claims, sign func([]byte) []byte) string {
	header, _ := json.Marshal(map[string]string{"alg": alg, "kid": "1"})
	payload, _ := json.Marshal(c)
	text := b64(header) + "." + b64(payload)
	return text + "." + b64(sign([]byte(text)))
}

func byKey(t *testing.T, key *rsa.PrivateKey) func([]byte) []byte {
	return func(data []byte) []byte {
		sum := sha256.Sum256(data)
		s, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func (p *provider) signed(change claims) string {
	return p.token("RS256", p.claims(change), byKey(p.t, p.key))
}

func (p *provider) spec(change map[string]any) string {
	spec := map[string]any{
		"display_name": "Corp", "issuer_url": p.URL, "client_id": "pacific", "client_secret": "s3cr3t-of-client", "username_claim": "name", "domain": "corp.example",
		"certificate_authority_data": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})),
	}
	for name, value := range change {
		spec[name] = value
	}
	data, _ := json.Marshal(spec)
	return string(data)
}

const providersPath = "/api/pacific/sso/providers"

func TestSomebodyOfAnExternalSourceSignsIn(t *testing.T) {
	f, p := newFixture(t), newProvider(t)
	var id string
	f.must("POST", providersPath, p.spec(nil), &id)
	bearer := "Bearer " + p.signed(nil)
	_, body := f.call(bearer, "POST", "/api/session", "")
	session := strings.Trim(body, `"`)
	self := f.expect("alice", http.StatusOK, session, "GET", "/api/pacific/sso/self", "")
	if !strings.Contains(self, `"name":"alice","domain":"corp.example","groups":["builders@corp.example"]`) {
		t.Errorf("got %s", self)
	}
	f.must("POST", groupsPath+"/Administrators?action=add", `{"members":[{"type":"GROUP","name":"builders","domain":"corp.example"}]}`, nil)
	f.expect("by her group", http.StatusOK, session, "GET", usersPath, "")

	request, _ := json.Marshal(map[string]string{
		"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": p.signed(nil), "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
	})
	var token sso.TokenInfo
	f.must("POST", "/api/vcenter/authentication/token", string(request), &token)
	assertion, err := base64.RawURLEncoding.DecodeString(token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.VerifyBearer(t.Context(), assertion)
	if err != nil || a.Subject != "alice" || a.Domain != "corp.example" || len(a.Groups) != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	f.must("DELETE", providersPath+"/"+id, "", nil)
	f.expect("without the provider", http.StatusUnauthorized, session, "GET", "/api/session", "")
	if _, err := f.VerifyBearer(t.Context(), assertion); err == nil {
		t.Error("an assertion outlives the provider")
	}
}

func TestRefusedExternalTokens(t *testing.T) {
	f, p, other := newFixture(t), newProvider(t), newProvider(t)
	f.must("POST", providersPath, p.spec(nil), nil)
	public := b64(p.key.N.Bytes())
	byMAC := func(data []byte) []byte { m := hmac.New(sha256.New, []byte(public)); m.Write(data); return m.Sum(nil) }
	for name, token := range map[string]string{
		"no JWT":            "hello",
		"unknown issuer":    other.signed(nil),
		"another key":       p.token("RS256", p.claims(nil), byKey(t, other.key)),
		"no algorithm":      p.token("none", p.claims(nil), func([]byte) []byte { return nil }),
		"HMAC":              p.token("HS256", p.claims(nil), byMAC),
		"another audience":  p.signed(claims{"aud": "somebody else"}),
		"expired":           p.signed(claims{"exp": time.Now().Add(-time.Minute).Unix()}),
		"no name":           p.signed(claims{"name": ""}),
		"a name of another": p.signed(claims{"name": `pacific.local\administrator`}),
		"a name of no text": p.signed(claims{"name": "a\nb"}),
		"changed":           strings.Replace(p.signed(nil), ".", ".e", 1),
	} {
		f.expect(name, http.StatusUnauthorized, "Bearer "+token, "POST", "/api/session", "")
	}
	f.expect("good", http.StatusCreated, "Bearer "+p.signed(nil), "POST", "/api/session", "")
}

func TestProvidersOfASupervisor(t *testing.T) {
	f, p := newFixture(t), newProvider(t)
	const path = "/api/vcenter/namespace-management/supervisors/domain-c1/identity/providers"
	var id string
	f.must("POST", path, p.spec(nil), &id)
	var list []sso.Provider
	if f.must("GET", path, "", &list); len(list) != 1 || list[0].ID != id || list[0].DisplayName != "Corp" || list[0].ClientSecret != "" {
		t.Errorf("got %+v", list)
	}
	f.must("PATCH", path+"/"+id, `{"display_name":"Other"}`, nil)
	f.must("PUT", path+"/"+id, p.spec(map[string]any{"display_name": "Third", "client_secret": ""}), nil)
	if shown := f.expect("show", http.StatusOK, f.admin, "GET", path+"/"+id, ""); !strings.Contains(shown, "Third") || strings.Contains(shown, "s3cr3t") {
		t.Errorf("got %s", shown)
	}
	for want, body := range map[string]string{
		"ALREADY_EXISTS":   p.spec(nil),
		"INVALID_ARGUMENT": p.spec(map[string]any{"issuer_url": "http://x", "domain": "y.example"}),
	} {
		if _, answer := f.call(f.admin, "POST", path, body); !strings.Contains(answer, want) {
			t.Errorf("got %s, want %s", answer, want)
		}
	}
	for _, change := range []map[string]any{{"domain": "pacific.local"}, {"domain": "A b"}, {"client_id": ""}, {"display_name": ""}, {"certificate_authority_data": "x"}, {"extra": 1}} {
		if _, answer := f.call(f.admin, "POST", providersPath, p.spec(change)); !strings.Contains(answer, "INVALID_ARGUMENT") {
			t.Errorf("%v: %s", change, answer)
		}
	}
	f.expect("of another Supervisor", http.StatusNotFound, f.admin, "GET", strings.Replace(path, "c1", "c2", 1)+"/"+id, "")
	f.must("DELETE", path+"/"+id, "", nil)
	f.expect("deleted", http.StatusNotFound, f.admin, "GET", path+"/"+id, "")
}

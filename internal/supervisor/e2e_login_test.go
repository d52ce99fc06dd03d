//go:build e2e

package supervisor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"pacific/internal/center/exchange"
	"pacific/internal/center/store"
	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/pki"
)

const loginAddress = "10.250.0.4"

// TestLogin is one story: people sign in at a Supervisor whose center comes and goes.
func TestLogin(t *testing.T) {
	ctx := testContext(t)
	center := newTestCenter(t)
	center.start() // makes its authority, which the Supervisor is told
	center.stop()
	s := newInstance(t, loginAddress)
	s.args = []string{"--token-issuer=" + tokenIssuer, "--token-issuer-ca=" + center.ca, "--token-audience=" + audience}
	s.start()
	admin := s.client(pki.Admin)

	step := func(name string, f func(t *testing.T)) {
		t.Helper()
		if !t.Run(name, f) {
			t.FailNow()
		}
	}
	step("says that center is away", func(t *testing.T) {
		if status, body := s.ask(t, "POST", "/wcp/login", "dev1@pacific.local", devPassword); status != http.StatusServiceUnavailable {
			t.Errorf("got %d %s", status, body)
		}
	})
	center.start()
	var token string
	step("gives a token", func(t *testing.T) {
		token = s.login(t, "dev1@pacific.local")
		eventually(t, ctx, func() bool { return s.whoami(ctx, token) == nil })
		review, err := s.bearer(token).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if user := review.Status.UserInfo; user.Username != "sso:dev1@pacific.local" || !slices.Contains(user.Groups, "sso:Developers@pacific.local") {
			t.Errorf("got %+v", user)
		}
	})
	step("refuses a wrong password", func(t *testing.T) {
		for _, call := range []string{"POST /wcp/login", "GET /wcp/workloads"} {
			method, path, _ := strings.Cut(call, " ")
			if status, body := s.ask(t, method, path, "dev1@pacific.local", "wrong"); status != http.StatusUnauthorized {
				t.Errorf("%s: got %d %s", call, status, body)
			}
		}
	})
	step("lists workloads", func(t *testing.T) {
		status, body := s.ask(t, "GET", "/wcp/workloads", "dev1@pacific.local", devPassword)
		want := `{"namespace":"team-a","master_host":"` + loginAddress + `","control_plane_api_server_port":6443,"control_plane_dns_names":[]}`
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("got %d %s", status, body)
		}
	})
	step("leaves rights to RBAC", func(t *testing.T) { testRights(t, ctx, admin, s.bearer(token)) })
	step("serves kubectl vsphere", func(t *testing.T) { s.testPlugin(t, ctx, admin) })
	step("refuses", func(t *testing.T) { s.testRefusedTokens(t, ctx, center, token) })
	step("learns a new key by its first token", func(t *testing.T) {
		center.rotate(t)
		fresh := s.login(t, "dev1@pacific.local")
		if keyOf(t, fresh) == keyOf(t, token) {
			t.Fatal("the key is the old one")
		}
		eventually(t, ctx, func() bool { return s.whoami(ctx, fresh) == nil })
		if err := s.whoami(ctx, token); err != nil {
			t.Errorf("the token of the old key: %v", err)
		}
	})
	step("forgets a key that is withdrawn", func(t *testing.T) {
		withdrawn := keyOf(t, token)
		center.withdraw(t, withdrawn)
		// The copy is asked for, which renews it before its minute is over. The kube-apiserver has no reason to ask.
		eventually(t, ctx, func() bool {
			_, keys := s.ask(t, "GET", "/openidconnect/jwks", "", "")
			return !strings.Contains(keys, withdrawn)
		})
		eventually(t, ctx, func() bool { return apierrors.IsUnauthorized(s.whoami(ctx, token)) })
		token = s.login(t, "dev1@pacific.local")
		eventually(t, ctx, func() bool { return s.whoami(ctx, token) == nil })
	})
	noSecrets := func(t *testing.T) { s.testNoSecrets(t, token) }
	step("keeps tokens and passwords to itself", noSecrets)
	center.stop()
	step("goes on without center", func(t *testing.T) {
		if err := s.whoami(ctx, token); err != nil {
			t.Error(err)
		}
		s.kill()
		s.start()
		eventually(t, ctx, func() bool { return s.whoami(ctx, token) == nil })
	})
	step("still keeps tokens and passwords to itself", noSecrets)
}

// testNoSecrets looks for the token, by its signature, and for the password in the log and in all files of the Supervisor.
func (s *instance) testNoSecrets(t *testing.T, token string) {
	for _, secret := range []string{strings.Split(token, ".")[2], devPassword} {
		if s.log.has(secret) {
			t.Error("the log has one")
		}
		err := filepath.WalkDir(s.dataDir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s has one", path)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// ask the login service over TLS that the Supervisor's authority vouches for.
func (s *instance) ask(t *testing.T, method, path, user, password string) (int, string) {
	t.Helper()
	config, err := hostpki.ClientConfig(s.layout().Cert(pki.CA), "", "")
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, "https://"+s.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (s *instance) login(t *testing.T, user string) string {
	t.Helper()
	status, body := s.ask(t, "POST", "/wcp/login", user, devPassword)
	var answer map[string]string
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer) != 1 {
		t.Fatalf("got %d %s", status, body)
	}
	return answer["session_id"]
}

func (s *instance) bearer(token string) kubernetes.Interface {
	return kubernetes.NewForConfigOrDie(&rest.Config{
		Host: "https://" + s.address + ":6443", BearerToken: token,
		TLSClientConfig: rest.TLSClientConfig{CAFile: s.layout().Cert(pki.CA)},
	})
}

func (s *instance) whoami(ctx context.Context, token string) error {
	_, err := s.bearer(token).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	return err
}

// testRights gives a role as center's projection does, and takes it away under a running token.
func testRights(t *testing.T, ctx context.Context, admin, dev kubernetes.Interface) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}
	if _, err := admin.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	can := func(verb, resource, namespace string) bool {
		attributes := &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Resource: resource}
		review, err := dev.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx,
			&authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	if can("get", "pods", "team-a") {
		t.Error("without a role: may read")
	}
	bindings := admin.RbacV1().RoleBindings("team-a")
	for _, tc := range []struct {
		role    string
		subject rbacv1.Subject
		creates bool
	}{
		{"view", rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "sso:dev1@pacific.local"}, false},
		{"edit", rbacv1.Subject{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "sso:Developers@pacific.local"}, true},
	} {
		_, err := bindings.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: tc.role}, Subjects: []rbacv1.Subject{tc.subject},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: tc.role},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, ctx, func() bool { return can("get", "pods", "team-a") && can("create", "pods", "team-a") == tc.creates })
		if can("get", "pods", "kube-system") || can("get", "nodes", "") {
			t.Errorf("%s: may more than its namespace", tc.role)
		}
		if err := bindings.Delete(ctx, tc.role, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		removed := time.Now()
		eventually(t, ctx, func() bool { return !can("get", "pods", "team-a") })
		if took := time.Since(removed); took > 10*time.Second {
			t.Errorf("%s: took effect after %v", tc.role, took)
		}
	}
}

// testRefusedTokens changes one thing of a good token at a time.
func (s *instance) testRefusedTokens(t *testing.T, ctx context.Context, center *testCenter, good string) {
	id, key := center.signingKey(t)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})
	publicJWK, err := (&jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims := func(change func(*exchange.Claims)) exchange.Claims {
		c := exchange.Claims{
			Claims: jwt.Claims{
				Issuer: tokenIssuer, Subject: "dev1@pacific.local", Audience: jwt.Audience{audience}, ID: "1",
				IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(exchange.TokenLife)),
			},
			Domain: "pacific.local", GroupNames: []string{},
		}
		change(&c)
		return c
	}
	same := func(*exchange.Claims) {}
	if err := s.whoami(ctx, sign(t, jose.ES256, key, id, claims(same))); err != nil {
		t.Fatalf("the unchanged token, with which the others are compared: %v", err)
	}
	parts := strings.Split(good, ".")
	for name, token := range map[string]string{
		"an expired token": sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) {
			past := now.Add(-11 * time.Hour)
			c.IssuedAt, c.NotBefore, c.Expiry = jwt.NewNumericDate(past), jwt.NewNumericDate(past), jwt.NewNumericDate(past.Add(exchange.TokenLife))
		})),
		"a token of tomorrow": sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) {
			c.NotBefore = jwt.NewNumericDate(now.Add(time.Hour))
		})),
		"a token for longer than ten hours": sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) {
			c.Expiry = jwt.NewNumericDate(now.Add(exchange.TokenLife + time.Second))
		})),
		"a token without an end":             sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) { c.Expiry = nil })),
		"a token for another Supervisor":     sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) { c.Audience = jwt.Audience{"domain-c2"} })),
		"a token for nobody":                 sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) { c.Audience = nil })),
		"a token of another issuer":          sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) { c.Issuer = "https://10.250.0.66/openidconnect" })),
		"a token whose subject is elsewhere": sign(t, jose.ES256, key, id, claims(func(c *exchange.Claims) { c.Subject = "dev1@another.example" })),
		"a forged token, with the key's id":  sign(t, jose.ES256, stranger, id, claims(same)),
		"a forged token, with its own id":    sign(t, jose.ES256, stranger, "stranger", claims(same)),
		"a forged token, with its own key":   signEmbedded(t, stranger, claims(same)),
		"no algorithm":                       unsigned(t, `{"alg":"none","typ":"JWT"}`, claims(same)),
		"no algorithm, with the key's id":    unsigned(t, `{"alg":"none","kid":"`+id+`"}`, claims(same)),
		"the public key as a secret, PEM":    sign(t, jose.HS256, publicPEM, id, claims(same)),
		"the public key as a secret, DER":    sign(t, jose.HS256, publicDER, id, claims(same)),
		"the public key as a secret, JWK":    sign(t, jose.HS256, publicJWK, id, claims(same)),
		"other claims under the signature":   parts[0] + "." + encode(t, claims(func(c *exchange.Claims) { c.Subject = "administrator@pacific.local" })) + "." + parts[2],
		"a signature of zeros":               parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"no signature":                       parts[0] + "." + parts[1] + ".",
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.whoami(ctx, token); !apierrors.IsUnauthorized(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := s.whoami(ctx, good); err != nil {
		t.Errorf("the good token afterwards: %v", err)
	}
}

// signingKey is center's own, for tokens that only it could make.
func (c *testCenter) signingKey(t *testing.T) (string, *ecdsa.PrivateKey) {
	t.Helper()
	items, err := store.Of[exchange.Key](c.store, "token-keys").List(t.Context())
	if err != nil || len(items) != 1 {
		t.Fatalf("got %d keys, %v", len(items), err)
	}
	key, err := x509.ParsePKCS8PrivateKey(items[0].Value.Private)
	if err != nil {
		t.Fatal(err)
	}
	return items[0].ID, key.(*ecdsa.PrivateKey)
}

// rotate makes a key that signs at once, as an administrator does who wants the old one gone.
func (c *testCenter) rotate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := store.Of[exchange.Key](c.store, "token-keys").Create(t.Context(), "second", exchange.Key{Created: now, ActiveFrom: now, Private: der}); err != nil {
		t.Fatal(err)
	}
}

// withdraw a key, as center does with one whose last token has run out, or on demand.
func (c *testCenter) withdraw(t *testing.T, id string) {
	t.Helper()
	if err := store.Of[exchange.Key](c.store, "token-keys").Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

func keyOf(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Headers[0].KeyID
}

func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims exchange.Claims) string {
	t.Helper()
	return serialize(t, jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id), claims)
}

// signEmbedded puts the key into the token's header, for a verifier that believes it.
func signEmbedded(t *testing.T, key *ecdsa.PrivateKey, claims exchange.Claims) string {
	t.Helper()
	return serialize(t, jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true}, claims)
}

func serialize(t *testing.T, key jose.SigningKey, options *jose.SignerOptions, claims exchange.Claims) string {
	t.Helper()
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func unsigned(t *testing.T, header string, claims exchange.Claims) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + encode(t, claims) + "."
}

func encode(t *testing.T, claims exchange.Claims) string {
	t.Helper()
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

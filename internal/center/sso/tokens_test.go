package sso_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	govmomi "github.com/vmware/govmomi/sts"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"

	"pacific/internal/center/sso"
	"pacific/internal/center/sso/sts"
)

// clients of govmomi, unmodified, at a server of the fixture.
func (f *fixture) clients() (*govmomi.Client, *rest.Client) {
	f.t.Helper()
	server := httptest.NewTLSServer(f.handler)
	f.t.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/sdk")
	if err != nil {
		f.t.Fatal(err)
	}
	vim := &vim25.Client{Client: soap.NewClient(u, true)}
	c, err := govmomi.NewClient(f.t.Context(), vim)
	if err != nil {
		f.t.Fatal(err)
	}
	return c, rest.NewClient(vim)
}

func certificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "program"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestGovmomiSignsInByToken(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	ctx := t.Context()
	tokens, api := f.clients()
	dev := url.UserPassword("dev1@pacific.local", good)
	cert := certificate(t)
	for name, request := range map[string]govmomi.TokenRequest{"bearer": {Userinfo: dev}, "holder of key": {Userinfo: dev, Certificate: cert, Renewable: true}} {
		signer, err := tokens.Issue(ctx, request)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if request.Certificate != nil {
			if signer, err = tokens.Renew(ctx, govmomi.TokenRequest{Certificate: cert, Token: signer.Token, Lifetime: time.Hour}); err != nil {
				t.Fatalf("renew: %v", err)
			}
		}
		if err := api.LoginByToken(api.WithSigner(ctx, signer)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		session, err := api.Session(ctx)
		if err != nil || session == nil || session.User != "dev1@pacific.local" {
			t.Errorf("%s: %+v, %v", name, session, err)
		}
		if err := api.Logout(ctx); err != nil {
			t.Error(err)
		}
		if session, err := api.Session(ctx); err != nil || session != nil {
			t.Errorf("after the logout: %+v, %v", session, err)
		}
	}
	if err := api.Login(ctx, dev); err != nil {
		t.Error(err)
	}
}

func TestASolutionUserIsRegisteredByItsCertificate(t *testing.T) {
	f := newFixture(t)
	cert := certificate(t)
	tokens, api := f.clients()
	if _, err := tokens.Issue(t.Context(), govmomi.TokenRequest{Certificate: cert}); err == nil || !strings.Contains(err.Error(), "--certificate") {
		t.Errorf("before: %v", err)
	}
	spec, _ := json.Marshal(map[string]string{"name": "backup", "certificate": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))})
	f.must("POST", usersPath, string(spec), nil)
	signer, err := tokens.Issue(t.Context(), govmomi.TokenRequest{Certificate: cert})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.LoginByToken(api.WithSigner(t.Context(), signer)); err != nil {
		t.Error(err)
	}
	f.must("PATCH", usersPath+"/backup", `{"disabled":true}`, nil)
	if _, err := tokens.Issue(t.Context(), govmomi.TokenRequest{Certificate: cert}); err == nil {
		t.Error("a disabled one got an assertion")
	}
}

// bearer's assertion of dev1.
func (f *fixture) bearer() string {
	f.t.Helper()
	tokens, _ := f.clients()
	signer, err := tokens.Issue(f.t.Context(), govmomi.TokenRequest{Userinfo: url.UserPassword("dev1@pacific.local", good), Renewable: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return signer.Token
}

func TestAssertionsEndWithTheUser(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"deleted":  func(f *fixture) { f.must("DELETE", usersPath+"/dev1", "", nil) },
		"disabled": func(f *fixture) { f.must("PATCH", usersPath+"/dev1", `{"disabled":true}`, nil) },
		"new password": func(f *fixture) {
			f.must("POST", usersPath+"/dev1?action=set-password", `{"password":"Other-Horse-2"}`, nil)
		},
		"namesake": func(f *fixture) {
			f.must("DELETE", usersPath+"/dev1", "", nil)
			f.user("dev1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.user("dev1")
			token := f.bearer()
			if a, err := f.VerifyBearer(t.Context(), []byte(token)); err != nil || a.Subject != "dev1" {
				t.Fatalf("%+v, %v", a, err)
			}
			f.now = f.now.Add(time.Second)
			end(f)
			if _, err := f.VerifyBearer(t.Context(), []byte(token)); !errors.Is(err, sts.ErrAuthentication) {
				t.Errorf("got %v", err)
			}
			tokens, _ := f.clients()
			if _, err := tokens.Renew(t.Context(), govmomi.TokenRequest{Userinfo: url.User("x"), Token: token}); err == nil {
				t.Error("it was renewed")
			}
		})
	}
}

func TestGroupsOfAnAssertionAreThoseOfNow(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	token := f.bearer()
	f.must("POST", groupsPath, `{"name":"team"}`, nil)
	f.must("POST", groupsPath+"/team?action=add", `{"members":[{"name":"dev1"}]}`, nil)
	a, err := f.VerifyBearer(t.Context(), []byte(token))
	if err != nil || len(a.Groups) != 2 || a.Groups[1].String() != "team@pacific.local" {
		t.Errorf("%+v, %v", a.Groups, err)
	}
}

func TestAssertionsOutliveARotationAndARestart(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	token := f.bearer()
	var certificates sso.SigningCertificates
	if f.must("POST", "/api/vcenter/certificate-management/vcenter/signing-certificate?action=refresh", "", &certificates); len(certificates.All) != 2 {
		t.Errorf("%d certificates", len(certificates.All))
	}
	f.start()
	for _, token := range []string{token, f.bearer()} {
		if _, err := f.VerifyBearer(t.Context(), []byte(token)); err != nil {
			t.Error(err)
		}
	}
}

// A request that is signed by an assertion's key works once; and not at all without the signature, or for another call.
func TestASignedLoginIsNotRepeated(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	tokens, _ := f.clients()
	signer, err := tokens.Issue(t.Context(), govmomi.TokenRequest{Userinfo: url.UserPassword("dev1@pacific.local", good), Certificate: certificate(t)})
	if err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequest("POST", "https://center.test/api/session", nil)
	if err := signer.SignRequest(request); err != nil {
		t.Fatal(err)
	}
	header := request.Header.Get("Authorization")
	login := func(path, header string) int {
		request := httptest.NewRequest("POST", "https://center.test"+path, nil)
		request.Header.Set("Authorization", header)
		code, _ := f.do(request)
		return code
	}
	unsigned, _, _ := strings.Cut(header, ",")
	for _, test := range []struct {
		what, path, header string
		want               int
	}{
		{"for another path", "/rest/com/vmware/cis/session", header, 401},
		{"without the signature", "/api/session", unsigned, 401},
		{"first", "/api/session", header, 201},
		{"again", "/api/session", header, 401},
		{"no token", "/api/session", "SIGN x", 401},
	} {
		if code := login(test.path, test.header); code != test.want {
			t.Errorf("%s: %d, want %d", test.what, code, test.want)
		}
	}
	f.now = f.now.Add(12 * time.Minute)
	if code := login("/api/session", header); code != 401 {
		t.Errorf("later: %d", code)
	}
}

func TestNoTokenAndNoPasswordInTheAuditLog(t *testing.T) {
	f := newFixture(t)
	f.user("dev1")
	token := f.bearer()
	tokens, _ := f.clients()
	if _, err := tokens.Issue(t.Context(), govmomi.TokenRequest{Userinfo: url.UserPassword("dev1@pacific.local", "Typo-9-secret")}); err == nil || strings.Contains(err.Error(), "Typo") {
		t.Errorf("got %v", err)
	}
	log, err := os.ReadFile(filepath.Join(f.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{token[200:300], good, "Typo-9", "saml2"} {
		if strings.Contains(string(log), secret) {
			t.Errorf("the audit log has %q", secret)
		}
	}
	if !strings.Contains(string(log), `"dev1@pacific.local"`) || !strings.Contains(string(log), "/sts/STSService") {
		t.Errorf("the audit log lacks the issue:\n%s", log)
	}
}

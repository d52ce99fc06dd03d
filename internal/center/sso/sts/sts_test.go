package sts

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/vmware/govmomi/sts"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

const testIssuer = "https://center.test/websso/SAML2/Metadata/pacific.local"

// people is a directory of two: dev with a password, and a program with a certificate.
type people struct {
	program []byte // DER
	gone    bool   // dev was deleted
}

var dev = Subject{Name: "dev", Domain: "pacific.local", GivenName: "Dörte & Co", Surname: "<Dev> \"q\" 'a'", Groups: []Group{{"Everyone", "pacific.local"}, {"team", "pacific.local"}}}

func (p *people) ByPassword(_ context.Context, _, name, password string) (Subject, error) {
	if name != "dev@pacific.local" || password != "right & <proper>" {
		return Subject{}, fmt.Errorf("%w: wrong", ErrAuthentication)
	}
	return dev, nil
}

func (p *people) ByCertificate(_ context.Context, cert *x509.Certificate) (Subject, error) {
	if string(cert.Raw) != string(p.program) {
		return Subject{}, fmt.Errorf("%w: unknown program", ErrAuthentication)
	}
	return Subject{Name: "backup", Domain: "pacific.local", Solution: true, MayActAs: true}, nil
}

func (p *people) Current(ctx context.Context, a Assertion) (Subject, error) {
	switch {
	case a.Subject == "backup":
		return p.ByCertificate(ctx, &x509.Certificate{Raw: p.program})
	case a.Subject == "dev" && !p.gone:
		return dev, nil
	}
	return Subject{}, fmt.Errorf("%w: deleted", ErrAuthentication)
}

// authority for tests: one key, as center's CA has.
func authority(t testing.TB) Authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return func(public crypto.PublicKey, life time.Duration) ([]byte, error) {
		serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
		template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "sts"}, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(life)}
		return x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: pkix.Name{CommonName: "ca"}}, public, key)
	}
}

// sharedKeys spares each test to make keys of 3072 bits.
var sharedKeys = sync.OnceValues(func() (*rsa.PrivateKey, *rsa.PrivateKey) {
	a, _ := rsa.GenerateKey(rand.Reader, 2048)
	b, _ := rsa.GenerateKey(rand.Reader, 2048)
	return a, b
})

func newKeyring(t testing.TB) *Keyring {
	t.Helper()
	key, _ := sharedKeys()
	issueCertificate := authority(t)
	der, err := issueCertificate(key.Public(), signingLife)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Keyring{dir: t.TempDir(), authority: issueCertificate, keys: []signingKey{{key: key, cert: cert}}}
}

type fixture struct {
	*Service
	t       *testing.T
	people  *people
	now     time.Time
	program *tls.Certificate
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	program := selfSigned(t, "backup")
	f := &fixture{t: t, now: time.Now(), people: &people{program: program.Certificate[0]}, program: program}
	used := map[string]bool{}
	f.Service = &Service{
		Issuer: testIssuer, Keys: newKeyring(t), Directory: f.people, Audience: []string{"https://center.test"},
		Now: func() time.Time { return f.now },
		Once: func(_ context.Context, id string, _ time.Time) error {
			if used[id] {
				return errors.New("used")
			}
			used[id] = true
			return nil
		},
	}
	return f
}

func selfSigned(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	_, key := sharedKeys()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client is govmomi's, unmodified. It looks for a lookup service, finds none, and takes the path that center serves.
func (f *fixture) client() *sts.Client {
	f.t.Helper()
	server := httptest.NewTLSServer(f.Service)
	f.t.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/sdk")
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := sts.NewClient(f.t.Context(), &vim25.Client{Client: soap.NewClient(u, true)})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) verify(token string) Assertion {
	f.t.Helper()
	a, err := f.Verifier().Verify([]byte(token), f.now)
	if err != nil {
		f.t.Fatalf("%v\n%s", err, token)
	}
	return a
}

var user = url.UserPassword("dev@pacific.local", "right & <proper>")

func TestBearer(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	s, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: user, Lifetime: 30 * time.Minute, Renewable: true, Delegatable: true})
	if err != nil {
		t.Fatal(err)
	}
	a := f.verify(s.Token)
	if a.Subject != "dev" || a.Domain != "pacific.local" || a.GivenName != dev.GivenName || a.Surname != dev.Surname || len(a.Groups) != 2 || a.Groups[1] != dev.Groups[1] || a.Holder != nil || a.Solution || a.Issuer != testIssuer {
		t.Errorf("got %+v", a)
	}
	if life := s.Lifetime.Expires.Sub(s.Lifetime.Created); life != 30*time.Minute {
		t.Errorf("life %v", life)
	}
	f.now = f.now.Add(5 * time.Minute)
	renewed, err := c.Renew(t.Context(), sts.TokenRequest{Userinfo: user, Token: s.Token, Lifetime: 30 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	b := f.verify(renewed.Token)
	if b.ID == a.ID || b.Subject != "dev" || b.Renewals != a.Renewals-1 || b.Delegations != a.Delegations || !b.AuthnInstant.Equal(a.AuthnInstant) {
		t.Errorf("got %+v", b)
	}
}

func TestHolderOfKeyByPassword(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	s, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: user, Certificate: f.program, Lifetime: 24 * time.Hour, Renewable: true, Delegatable: true})
	if err != nil {
		t.Fatal(err)
	}
	a := f.verify(s.Token)
	if a.Subject != "dev" || a.Holder == nil || !a.Holder.Equal(parsed(t, f.program.Certificate[0])) || a.NotOnOrAfter.Sub(a.NotBefore) != 24*time.Hour {
		t.Errorf("got %+v", a)
	}
	for range 3 { // each time over a token that govmomi makes canonical itself
		f.now = f.now.Add(time.Minute)
		if s, err = c.Renew(t.Context(), sts.TokenRequest{Certificate: f.program, Token: s.Token, Lifetime: 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if b := f.verify(s.Token); b.Renewals != a.Renewals-3 || !b.Holder.Equal(a.Holder) {
		t.Errorf("got %+v", b)
	}
}

func parsed(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestAProgramSignsInByItsCertificateAndItsToken(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	first, err := c.Issue(t.Context(), sts.TokenRequest{Certificate: f.program})
	if err != nil {
		t.Fatal(err)
	}
	if a := f.verify(first.Token); a.Subject != "backup" || !a.Solution || a.Holder == nil {
		t.Errorf("got %+v", a)
	}
	request := first.NewRequest()
	request.Certificate = &tls.Certificate{PrivateKey: f.program.PrivateKey} // the assertion in the header instead of a certificate
	second, err := c.Issue(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if a := f.verify(second.Token); a.Subject != "backup" || a.Holder == nil {
		t.Errorf("got %+v", a)
	}
}

func TestAProgramActsAsSomebody(t *testing.T) {
	f := newFixture(t)
	c := f.client()
	s, err := c.Issue(t.Context(), sts.TokenRequest{Userinfo: user, Delegatable: true, Renewable: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err = c.Issue(t.Context(), sts.TokenRequest{Token: s.Token, ActAs: true, Certificate: f.program, Delegatable: true, Renewable: true, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	a := f.verify(s.Token)
	if a.Subject != "dev" || a.Holder == nil || len(a.Delegates) != 1 || a.Delegates[0].Subject != "backup@pacific.local" || a.Delegations != maxDelegations-1 {
		t.Errorf("got %+v", a)
	}
	if s, err = c.Renew(t.Context(), sts.TokenRequest{Certificate: f.program, Token: s.Token, Lifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if b := f.verify(s.Token); len(b.Delegates) != 1 || b.Subject != "dev" {
		t.Errorf("got %+v", b)
	}
}

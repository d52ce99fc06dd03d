//go:build e2e

package supervisor

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"pacific/internal/center/audit"
	"pacific/internal/center/exchange"
	"pacific/internal/center/rest"
	"pacific/internal/center/sso"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/ssotest"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
	hostpki "pacific/internal/pki"
)

const (
	centerAddress = "10.250.0.9"
	tokenIssuer   = "https://" + centerAddress + "/openidconnect"
	audience      = "domain-c1"
	devPassword   = `P<a>s&s"1`
)

// testCenter is center's real single sign-on and token exchange; only its namespaces are made up.
type testCenter struct {
	t       *testing.T
	ca      string // file
	store   *store.Store
	handler http.Handler
	server  *http.Server
}

func newTestCenter(t *testing.T) *testCenter {
	t.Helper()
	c := &testCenter{t: t, store: storetest.New(t), ca: filepath.Join(t.TempDir(), "ca.crt")}
	signOn, err := sso.New(t.Context(), c.store, ssotest.Config(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	c.addPeople(signOn.Directory)
	tokens := exchange.New(exchange.Config{Store: c.store, Issuer: tokenIssuer, Verifier: exchange.BySignOn(signOn), Audiences: c})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{signOn.Run, tokens.Run} {
		running.Go(func() { _ = run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
		c.stop()
	})
	namespaces := rest.Route{Method: http.MethodGet, Path: "/api/vcenter/namespaces-user/namespaces", Access: rest.SignedIn, Handle: func(*rest.Request) (any, error) {
		return []map[string]string{{"namespace": "team-a", "master_host": loginAddress}, {"namespace": "elsewhere", "master_host": "10.250.0.99"}}, nil
	}}
	c.handler = rest.NewServer(signOn, noAudit{}, slices.Concat(signOn.Routes(), tokens.Routes(), []rest.Route{namespaces}))
	return c
}

type noAudit struct{}

func (noAudit) Write(audit.Event) error { return nil }

// addPeople makes dev1, one of Developers.
func (c *testCenter) addPeople(d *directory.Directory) {
	c.t.Helper()
	ctx := c.t.Context()
	if _, err := d.CreateUser(ctx, "dev1", directory.Profile{}, devPassword); err != nil {
		c.t.Fatal(err)
	}
	if _, err := d.CreateGroup(ctx, "Developers", ""); err != nil {
		c.t.Fatal(err)
	}
	dev1 := directory.Subject{Type: directory.UserType, Name: "dev1", Domain: "pacific.local"}
	if _, err := d.AddMembers(ctx, "Developers", []directory.Subject{dev1}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testCenter) start() {
	c.t.Helper()
	dir := filepath.Dir(c.ca)
	ca, err := hostpki.LoadOrCreateCA(c.ca, filepath.Join(dir, "ca.key"), "center")
	if err != nil {
		c.t.Fatal(err)
	}
	leaf := hostpki.Leaf{CertFile: filepath.Join(dir, "c.crt"), KeyFile: filepath.Join(dir, "c.key"), CommonName: "center", IPs: []net.IP{net.ParseIP(centerAddress)}, Server: true}
	if _, err := ca.Ensure(leaf); err != nil {
		c.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", centerAddress+":443")
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{Handler: c.handler}
	go func() { _ = server.ServeTLS(listener, leaf.CertFile, leaf.KeyFile) }()
	c.server = server
}

func (c *testCenter) stop() {
	if c.server != nil {
		_ = c.server.Close()
		c.server = nil
	}
}

// Has tells that there is one Supervisor.
func (*testCenter) Has(_ context.Context, a string) (bool, error) { return a == audience, nil }

//go:build e2e

package supervisor

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pacific/internal/center/exchange"
	"pacific/internal/center/rest"
	"pacific/internal/center/store"
	"pacific/internal/center/store/storetest"
	hostpki "pacific/internal/pki"
)

const (
	centerAddress = "10.250.0.9"
	tokenIssuer   = "https://" + centerAddress + "/openidconnect"
	audience      = "domain-c1"
	devPassword   = `p<a>s&s"1`
)

// testCenter is the real token exchange, behind a security token service that knows dev1 and administrator.
type testCenter struct {
	t       *testing.T
	ca      string // file
	store   *store.Store
	handler http.Handler
	server  *http.Server
	serial  atomic.Int64
}

func newTestCenter(t *testing.T) *testCenter {
	t.Helper()
	c := &testCenter{t: t, store: storetest.New(t), ca: filepath.Join(t.TempDir(), "ca.crt")}
	tokens := exchange.New(exchange.Config{Store: c.store, Issuer: tokenIssuer, Verifier: c, Audiences: c})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tokens.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		c.stop()
	})
	server := rest.NewServer(nil, nil, tokens.Routes())
	server.Handle("POST /sts/STSService", http.HandlerFunc(c.issue))
	server.Handle("POST /api/session", http.HandlerFunc(c.session))
	server.Handle("DELETE /api/session", http.HandlerFunc(c.session))
	server.Handle("GET /api/vcenter/namespaces-user/namespaces", http.HandlerFunc(c.namespaces))
	c.handler = server
	return c
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

func known(user, password string) bool {
	return password == devPassword && (user == "dev1@pacific.local" || user == "administrator@pacific.local")
}

// issue answers as a security token service does.
func (c *testCenter) issue(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var envelope struct {
		Header struct {
			Security struct {
				UsernameToken struct{ Username, Password string }
			}
		}
	}
	const frame = `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>%s</S:Body></S:Envelope>`
	login := &envelope.Header.Security.UsernameToken
	if err := xml.Unmarshal(body, &envelope); err != nil || !known(login.Username, login.Password) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, frame, `<S:Fault><faultcode xmlns:t="http://docs.oasis-open.org/ws-sx/ws-trust/200512">t:FailedAuthentication</faultcode><faultstring>no</faultstring></S:Fault>`)
		return
	}
	assertion := fmt.Sprintf(`<Assertion ID="_%d">%s</Assertion>`, c.serial.Add(1), login.Username)
	fmt.Fprintf(w, frame, `<RequestSecurityTokenResponseCollection><RequestSecurityTokenResponse><RequestedSecurityToken>`+assertion+
		`</RequestedSecurityToken></RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>`)
}

// Verify reads what issue wrote.
func (c *testCenter) Verify(_ context.Context, assertion []byte) (exchange.Subject, error) {
	var parsed struct {
		ID   string `xml:"ID,attr"`
		User string `xml:",chardata"`
	}
	if err := xml.Unmarshal(assertion, &parsed); err != nil {
		return exchange.Subject{}, err
	}
	name, domain, ok := strings.Cut(parsed.User, "@")
	if !ok {
		return exchange.Subject{}, errors.New("no user")
	}
	groups := map[string][]string{"dev1": {"Developers@pacific.local"}, "administrator": {"Administrators@pacific.local"}}[name]
	return exchange.Subject{ID: parsed.ID, Name: name, Domain: domain, Groups: groups, NotOnOrAfter: time.Now().Add(time.Minute)}, nil
}

// Has tells that there is one Supervisor.
func (*testCenter) Has(_ context.Context, a string) (bool, error) { return a == audience, nil }

func (c *testCenter) session(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); r.Method == http.MethodPost && !known(user, password) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(w).Encode("session")
}

func (c *testCenter) namespaces(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("vmware-api-session-id") != "session" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_ = json.NewEncoder(w).Encode([]map[string]string{{"namespace": "team-a", "master_host": loginAddress}, {"namespace": "elsewhere", "master_host": "10.250.0.99"}})
}

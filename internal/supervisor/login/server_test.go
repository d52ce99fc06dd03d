package login

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"pacific/internal/pki"
)

// fakeCenter knows dev1 with the password "secret".
type fakeCenter struct{ away bool }

func (c *fakeCenter) check(user, password string) error {
	if c.away {
		return errors.New("connection refused")
	}
	if user != "dev1@pacific.local" || password != "secret" {
		return ErrRefused
	}
	return nil
}

func (c *fakeCenter) Token(_ context.Context, user, password string) (string, error) {
	return "the-token", c.check(user, password)
}

func (c *fakeCenter) Workloads(_ context.Context, user, password string) ([]Workload, error) {
	if err := c.check(user, password); err != nil {
		return nil, err
	}
	return []Workload{{Namespace: "team-a", MasterHost: "10.77.0.2"}}, nil
}

type site struct {
	t       *testing.T
	center  fakeCenter
	keys    *keys
	handler http.Handler
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.crt")
	if _, err := pki.LoadOrCreateCA(ca, filepath.Join(dir, "ca.key"), "supervisor"); err != nil {
		t.Fatal(err)
	}
	plugins := filepath.Join(dir, "plugins", "linux-amd64")
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(plugins, plugin), []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, keys: &keys{file: filepath.Join(dir, "login", "jwks.json"), fetch: func(context.Context) ([]byte, error) { return nil, errors.New("away") }}}
	config := Config{Address: net.IPv4(10, 77, 0, 2), APIPort: 6443, CA: ca, Issuer: "https://10.77.0.9/openidconnect", PluginDir: filepath.Join(dir, "plugins")}
	s.handler = newHandler(config, &s.center, s.keys)
	return s
}

// ask returns the status and the body of an answer.
func (s *site) ask(method, path, user, password, body string) (int, string, http.Header) {
	s.t.Helper()
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, request)
	data, err := io.ReadAll(recorder.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return recorder.Code, strings.TrimSpace(string(data)), recorder.Header()
}

func TestAnswers(t *testing.T) {
	const dev1 = "dev1@pacific.local"
	for name, tc := range map[string]struct {
		method, path, user, password, body string
		status                             int
		want                               string // exactly, if it begins with { or [, else a part
	}{
		"login without a body":     {"POST", "/wcp/login", dev1, "secret", "", 200, `{"session_id":"the-token"}`},
		"login":                    {"POST", "/wcp/login", dev1, "secret", "{}", 200, `{"session_id":"the-token"}`},
		"login to a guest cluster": {"POST", "/wcp/login", dev1, "secret", `{"guest_cluster_name":"c1","guest_cluster_namespace":"n"}`, 200, `{"session_id":"the-token"}`},
		"a broken body":            {"POST", "/wcp/login", dev1, "secret", "{", 400, "the body is not valid"},
		"a huge body":              {"POST", "/wcp/login", dev1, "secret", strings.Repeat(" ", maxBody+1), 413, "too large"},
		"a wrong password":         {"POST", "/wcp/login", dev1, "wrong", "", 401, "wrong user or password"},
		"no password":              {"POST", "/wcp/login", "", "", "", 401, "give a user"},
		"an empty password":        {"POST", "/wcp/login", dev1, "", "", 401, "give a user"},
		"login by GET":             {"GET", "/wcp/login", dev1, "secret", "", 405, "Not Allowed"},
		"workloads": {"GET", "/wcp/workloads", dev1, "secret", "", 200,
			`[{"namespace":"team-a","master_host":"10.77.0.2","control_plane_api_server_port":6443,"control_plane_dns_names":[]}]`},
		"workloads with a wrong password": {"GET", "/wcp/workloads", dev1, "wrong", "", 401, "wrong user or password"},
		"the page":                        {"GET", "/", "", "", "", 200, "/wcp/plugin/linux-amd64/vsphere-plugin.zip"},
		"the authority":                   {"GET", "/wcp/ca", "", "", "", 200, "BEGIN CERTIFICATE"},
		"a plugin":                        {"GET", "/wcp/plugin/linux-amd64/vsphere-plugin.zip", "", "", "", 200, "PK"},
		"a plugin that is not there":      {"GET", "/wcp/plugin/darwin-arm64/vsphere-plugin.zip", "", "", "", 404, "no plugin for darwin-arm64"},
		"a way out of the directory":      {"GET", "/wcp/plugin/..%2f..%2flinux-amd64/vsphere-plugin.zip", "", "", "", 404, "no plugin for"},
		"keys that are not known yet":     {"GET", "/openidconnect/jwks", "", "", "", 200, `{"keys":[]}`},
		"where keys are":                  {"GET", "/openidconnect/.well-known/openid-configuration", "", "", "", 200, `"jwks_uri":"https://10.77.0.2/openidconnect/jwks"`},
		"something else":                  {"GET", "/wcp", "", "", "", 404, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, _ := newSite(t).ask(tc.method, tc.path, tc.user, tc.password, tc.body)
			if status != tc.status || !strings.Contains(body, tc.want) || strings.HasPrefix(tc.want, "[") && body != tc.want {
				t.Errorf("got %d %s, want %d %s", status, body, tc.status, tc.want)
			}
		})
	}
}

func TestGuessersWait(t *testing.T) {
	s := newSite(t)
	for range freeFailures {
		if status, _, _ := s.ask("POST", "/wcp/login", "dev1@pacific.local", "guess", ""); status != 401 {
			t.Fatalf("got %d", status)
		}
	}
	status, _, header := s.ask("POST", "/wcp/login", "dev1@pacific.local", "secret", "")
	if status != 429 || header.Get("Retry-After") != "10" {
		t.Errorf("got %d, Retry-After %q", status, header.Get("Retry-After"))
	}
}

func TestCenterAway(t *testing.T) {
	s := newSite(t)
	s.center.away = true
	for range freeFailures + 1 { // this is no guessing
		status, body, _ := s.ask("POST", "/wcp/login", "dev1@pacific.local", "secret", "")
		if status != 503 || strings.Contains(body, "refused") {
			t.Fatalf("got %d %s", status, body)
		}
	}
}

func TestKeysAreKept(t *testing.T) {
	s := newSite(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key any, id string) []byte {
		data, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: id, Algorithm: "ES256", Use: "sig"}}})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	answer := set(private.Public(), "k1")
	s.keys.fetch = func(context.Context) ([]byte, error) { return answer, nil }
	if err := s.keys.update(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"a private key":     set(private, "k2"),
		"a shared secret":   set([]byte("0123456789abcdef0123456789abcdef"), "k2"),
		"a key without id":  set(private.Public(), ""),
		"no keys":           []byte(`{"keys":[]}`),
		"something else":    []byte(`<html>`),
		"another algorithm": []byte(strings.Replace(string(answer), "ES256", "HS256", 1)),
	} {
		answer = bad
		if err := s.keys.update(t.Context()); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	s.keys.fetch = func(context.Context) ([]byte, error) { return nil, errors.New("away") }
	if status, body, _ := s.ask("GET", "/openidconnect/jwks", "", "", ""); status != 200 || !strings.Contains(body, `"k1"`) {
		t.Errorf("with center away: got %d %s", status, body)
	}
	if info, err := os.Stat(s.keys.file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		issuer, ca, audience string
		good                 bool
	}{
		"nobody signs in":      {"", "", "", true},
		"good":                 {"https://10.77.0.9/openidconnect", "ca", "domain-c1", true},
		"not https":            {"http://10.77.0.9/openidconnect", "ca", "domain-c1", false},
		"a slash at the end":   {"https://10.77.0.9/", "ca", "domain-c1", false},
		"no host":              {"https:///openidconnect", "ca", "domain-c1", false},
		"no authority":         {"https://10.77.0.9/openidconnect", "", "domain-c1", false},
		"no audience":          {"https://10.77.0.9/openidconnect", "ca", "", false},
		"audience, no issuer":  {"", "", "domain-c1", false},
		"authority, no issuer": {"", "ca", "", false},
	} {
		if err := Validate(tc.issuer, tc.ca, tc.audience); (err == nil) != tc.good {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

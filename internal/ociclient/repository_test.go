package ociclient

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const document = `{"schemaVersion":2}`

// serve is a registry with a token server; a pull needs the token that anna's password buys.
func serve(t *testing.T, head func(http.ResponseWriter)) *httptest.Server {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			if user, password, _ := r.BasicAuth(); user != "anna" || password != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}`)
				return
			}
			fmt.Fprintf(w, `{"token":"token for %s"}`, r.URL.Query().Get("scope"))
			return
		}
		if r.Header.Get("Authorization") != "Bearer token for repository:app:pull" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="test"`, server.URL))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch {
		case !strings.HasSuffix(r.URL.Path, "/1"):
			w.WriteHeader(http.StatusNotFound)
			if r.Method == http.MethodGet {
				fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no such tag"}]}`)
			}
		case r.Method == http.MethodHead:
			head(w)
		default:
			fmt.Fprint(w, document)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

func connect(t *testing.T, server *httptest.Server, password string) (*Repository, error) {
	t.Helper()
	base, err := Transport(new(net.Dialer).DialContext, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := Endpoint{Host: strings.TrimPrefix(server.URL, "http://"), PlainHTTP: true, Auth: Credentials("anna", password, "", "")}
	return Connect(t.Context(), e, "app", base)
}

// TestResolve: by HEAD, by GET where HEAD says nothing, and with the registry's words where it is an error.
func TestResolve(t *testing.T) {
	inHeader := "sha256:" + strings.Repeat("a", 64)
	for name, test := range map[string]struct {
		head func(http.ResponseWriter)
		want string
	}{
		"HEAD":                  {func(w http.ResponseWriter) { w.Header().Set("Docker-Content-Digest", inHeader) }, inHeader},
		"HEAD without a digest": {func(http.ResponseWriter) {}, DigestOf([]byte(document)).String()},
		"no HEAD":               {func(w http.ResponseWriter) { w.WriteHeader(http.StatusMethodNotAllowed) }, DigestOf([]byte(document)).String()},
	} {
		r, err := connect(t, serve(t, test.head), "secret")
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := r.Resolve(t.Context(), "1"); err != nil || got != test.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		var answer *transport.Error
		if _, err := r.Resolve(t.Context(), "2"); !errors.As(err, &answer) || !strings.Contains(err.Error(), "no such tag") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTokenServerRefuses(t *testing.T) {
	_, err := connect(t, serve(t, nil), "wrong")
	var answer *transport.Error
	if !errors.As(err, &answer) || answer.StatusCode != http.StatusUnauthorized || !strings.Contains(err.Error(), "wrong password") {
		t.Error(err)
	}
}

func TestManifestIsChecked(t *testing.T) {
	r, err := connect(t, serve(t, nil), "secret")
	if err != nil {
		t.Fatal(err)
	}
	if _, desc, err := r.Manifest(t.Context(), "1"); err != nil || desc.Digest != DigestOf([]byte(document)) {
		t.Error(desc, err)
	}
	wrong := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 63) + "1"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document) }))
	defer server.Close()
	if r, err = connect(t, server, ""); err != nil {
		t.Fatal(err)
	}
	var mismatch *DigestError
	if _, _, err := r.Manifest(t.Context(), wrong.String()); !errors.As(err, &mismatch) || mismatch.Want != wrong {
		t.Error(err)
	}
}

// TestTransientAnswersAreTriedAgain, and lasting ones are not.
func TestTransientAnswersAreTriedAgain(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" && asked.Add(1) <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, document)
	}))
	defer server.Close()
	r, err := connect(t, server, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Manifest(t.Context(), "1"); err != nil || asked.Load() != 3 {
		t.Error(asked.Load(), err)
	}
}

// TestNoPlainHTTP: a private address is no reason to speak without TLS.
func TestNoPlainHTTP(t *testing.T) {
	var asked atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) }))
	defer server.Close()
	base, _ := Transport(new(net.Dialer).DialContext, nil)
	_, err := Connect(t.Context(), Endpoint{Host: strings.TrimPrefix(server.URL, "http://"), Auth: Credentials("anna", "secret", "", "")}, "app", base)
	if err == nil || asked.Load() {
		t.Errorf("%v, asked over HTTP: %t", err, asked.Load())
	}
}

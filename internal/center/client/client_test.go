package client

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// server has one user and sessions that end when told to.
func server(t *testing.T) (c *Client, endSessions func()) {
	t.Helper()
	logins, session := 0, ""
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, code int, body string) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
	const refusal = `{"error_type":"UNAUTHENTICATED","messages":[{"id":"x","default_message":"sign in first","args":[]}]}`
	mux.HandleFunc("POST /api/session", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me@x" || password != "right" {
			answer(w, 401, refusal)
			return
		}
		logins++
		session = strings.Repeat("s", logins)
		answer(w, 201, `"`+session+`"`)
	})
	mux.HandleFunc("DELETE /api/session", func(w http.ResponseWriter, r *http.Request) { session = ""; answer(w, 204, "") })
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		if session == "" || r.Header.Get(sessionHeader) != session {
			answer(w, 401, refusal)
			return
		}
		var body any
		_ = json.NewDecoder(r.Body).Decode(&body)
		_ = json.NewEncoder(w).Encode(body)
	})
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	c, err := New(Config{URL: s.URL + "/", Username: "me@x", Password: "right", CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { session = "" }
}

func TestItSignsInByItselfAndAgain(t *testing.T) {
	c, end := server(t)
	for range 2 {
		var got string
		if err := c.Do(t.Context(), "POST", "/echo?action=x", "hello", &got); err != nil || got != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		end()
	}
	if err := c.Close(t.Context()); err != nil || c.session != "" {
		t.Errorf("%v", err)
	}
}

func TestErrorsSayWhatCenterSaid(t *testing.T) {
	c, _ := server(t)
	if err := c.Do(t.Context(), "GET", "/nothing", nil, nil); !IsNotFound(err) || !strings.Contains(err.Error(), "GET /nothing") {
		t.Errorf("got %v", err)
	}
	c.config.Password, c.session = "wrong", ""
	if err := c.Do(t.Context(), "POST", "/echo", nil, nil); err == nil || !strings.Contains(err.Error(), "sign in first") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	c.config.CA = nil
	stranger, err := New(c.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Do(t.Context(), "GET", "/x", nil, nil); err == nil || !strings.Contains(err.Error(), "--center-ca") {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestURLsThatAreNone(t *testing.T) {
	for _, u := range []string{"", "10.77.0.9", "http://10.77.0.9", "https://", "https://x/sdk", "::"} {
		if _, err := New(Config{URL: u}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}

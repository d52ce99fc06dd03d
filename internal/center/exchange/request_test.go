package exchange

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
)

const form = "application/x-www-form-urlencoded"

func good() url.Values {
	return url.Values{
		"grant_type":         {grantType},
		"subject_token":      {base64.RawURLEncoding.EncodeToString([]byte("<Assertion/>"))},
		"subject_token_type": {typeSAML2},
		"audience":           {"domain-c1"},
	}
}

func TestParse(t *testing.T) {
	set := func(name string, values ...string) func(url.Values) { return func(v url.Values) { v[name] = values } }
	for name, tc := range map[string]struct {
		change func(url.Values)
		code   string // of the failure, empty for none
	}{
		"good":                         {func(url.Values) {}, ""},
		"a JWT is asked for":           {set("requested_token_type", typeJWT), ""},
		"an ID token is asked for":     {set("requested_token_type", typeIDToken), ""},
		"padded, standard alphabet":    {set("subject_token", base64.StdEncoding.EncodeToString([]byte("<Assertion a='>?'/>"))), ""},
		"as it is":                     {set("subject_token", "<Assertion/>"), ""},
		"another grant":                {set("grant_type", "password"), "unsupported_grant_type"},
		"no grant":                     {func(v url.Values) { v.Del("grant_type") }, "unsupported_grant_type"},
		"no subject token":             {func(v url.Values) { v.Del("subject_token") }, "invalid_request"},
		"a subject token of no base":   {set("subject_token", "%%"), "invalid_request"},
		"a huge subject token":         {set("subject_token", "<"+strings.Repeat("a", maxAssertion)), "invalid_request"},
		"a JWT as subject":             {set("subject_token_type", typeJWT), "invalid_request"},
		"a SAML 1.1 subject":           {set("subject_token_type", "urn:ietf:params:oauth:token-type:saml1"), "invalid_request"},
		"no audience":                  {func(v url.Values) { v.Del("audience") }, "invalid_request"},
		"two audiences":                {set("audience", "domain-c1", "domain-c2"), "invalid_request"},
		"an actor":                     {set("actor_token", "x"), "invalid_request"},
		"a scope":                      {set("scope", "all"), "invalid_scope"},
		"a refresh token is asked for": {set("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			values := good()
			tc.change(values)
			got, err := parse(form, []byte(values.Encode()))
			var f *failure
			if tc.code == "" {
				if err != nil || !strings.HasPrefix(string(got.Assertion), "<Assertion") || got.Audience != "domain-c1" {
					t.Errorf("got %q, %v", got, err)
				}
			} else if !errors.As(err, &f) || f.Code != tc.code {
				t.Errorf("got %v, want %s", err, tc.code)
			}
		})
	}
	if _, err := parse("application/json", []byte(`{}`)); err == nil {
		t.Error("JSON was taken for a form")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(form, good().Encode())
	f.Add(form+"; charset=utf-8", "grant_type=%zz")
	f.Add("", ";")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		got, err := parse(contentType, []byte(body))
		var known *failure
		if err != nil && !errors.As(err, &known) {
			t.Errorf("%v is no error of RFC 6749", err)
		}
		if err == nil && (got.Audience == "" || len(got.Assertion) == 0 && !strings.Contains(body, "subject_token=") || len(got.Assertion) > maxAssertion) {
			t.Errorf("got %+v", got)
		}
	})
}

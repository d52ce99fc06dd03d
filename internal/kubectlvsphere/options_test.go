package kubectlvsphere

import (
	"encoding/base64"
	"net"
	"testing"
)

var localhost = []net.IP{net.IPv4(127, 0, 0, 1)}

func TestParseServer(t *testing.T) {
	for server, want := range map[string]address{
		"10.77.0.2":          {"10.77.0.2", "10.77.0.2:443"},
		"https://10.77.0.2":  {"10.77.0.2", "10.77.0.2:443"},
		"https://10.77.0.2/": {"10.77.0.2", "10.77.0.2:443"},
		"wcp.example.com":    {"wcp.example.com", "wcp.example.com:443"},
		"10.77.0.2:8443":     {"10.77.0.2", "10.77.0.2:8443"},
		"fd00::2":            {"fd00::2", "[fd00::2]:443"},
		"https://[fd00::2]":  {"fd00::2", "[fd00::2]:443"},
		"":                   {}, "http://10.77.0.2": {}, "https://": {}, "https://u:p@10.77.0.2": {}, "10.77.0.2/wcp": {}, "a b": {},
	} {
		if got, err := parseServer(server); got != want || (err != nil) != (want == address{}) {
			t.Errorf("%q: got %v, %v", server, got, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	claims := func(text string) string { return "e30." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".c2ln" }
	if got, err := expiry(claims(`{"exp":1900000000}`)); err != nil || got.Unix() != 1900000000 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, token := range []string{"", "a.b", "a.b.c.d", "e30.%.c", claims(""), claims("[]"), claims("{}"), claims(`{"exp":"x"}`), claims(`{"exp":-1}`), claims(`{"exp":1e300}`)} {
		if got, err := expiry(token); err == nil {
			t.Errorf("%q: got %v", token, got)
		}
	}
}

func FuzzExpiry(f *testing.F) {
	f.Add("e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1900000000}`)) + ".c2ln")
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := expiry(token); err == nil && got.Year() > 9999+60000 {
			t.Errorf("%q: got %v", token, got)
		}
	})
}

package seed

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func good() Seed {
	return Seed{
		Hostname:  "supervisor-1",
		Network:   Network{Address: netip.MustParsePrefix("10.77.0.3/24"), Gateway: netip.MustParseAddr("10.77.0.1")},
		Files:     []File{{Path: "/run/pacific/member.yaml", Content: []byte("a: b\n")}},
		Arguments: []string{"--config=/run/pacific/member.yaml"},
	}
}

func TestRoundTrip(t *testing.T) {
	text, err := good().Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(append(text, make([]byte, 512)...))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, good()) {
		t.Errorf("got %+v", got)
	}
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Seed)
		want   string
	}{
		"no hostname":         {func(s *Seed) { s.Hostname = "" }, "hostname"},
		"no address":          {func(s *Seed) { s.Network.Address = netip.Prefix{} }, "network.address"},
		"gateway elsewhere":   {func(s *Seed) { s.Network.Gateway = netip.MustParseAddr("10.78.0.1") }, "not in 10.77.0.0/24"},
		"MTU":                 {func(s *Seed) { s.Network.MTU = 100 }, "mtu"},
		"file elsewhere":      {func(s *Seed) { s.Files[0].Path = "/etc/passwd" }, "below /run/pacific"},
		"file by a way round": {func(s *Seed) { s.Files[0].Path = "/run/pacific/../x" }, "clean path"},
		"too large":           {func(s *Seed) { s.Files[0].Content = make([]byte, MaxBytes) }, "at most"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			tc.change(&s)
			if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":       "",
		"other content": "ELF",
		"unknown field": `{"hostname":"a","network":{"address":"10.0.0.2/24"},"root":"x"}`,
		"two":           `{"hostname":"a","network":{"address":"10.0.0.2/24"}}{}`,
	} {
		if _, err := Decode([]byte(text)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

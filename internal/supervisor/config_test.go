package supervisor

import (
	"net"
	"strings"
	"testing"

	"pacific/internal/supervisor/controllers/hostdial"
)

func good() Config {
	return Config{
		DataDir: "/data", AdvertiseAddress: net.IPv4(10, 77, 0, 2), ServiceCIDR: "10.96.0.0/16", PodCIDR: "10.244.0.0/16",
		Host: hostdial.Files{CA: "ca", Cert: "cert", Key: "key"},
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string // part of the error; empty for none
	}{
		"good":                 {func(*Config) {}, ""},
		"no data directory":    {func(c *Config) { c.DataDir = "" }, "--data-dir"},
		"no address":           {func(c *Config) { c.AdvertiseAddress = nil }, "--advertise-address"},
		"every address":        {func(c *Config) { c.AdvertiseAddress = net.IPv4zero }, "--advertise-address"},
		"IPv6":                 {func(c *Config) { c.AdvertiseAddress = net.ParseIP("fd00::1") }, "--advertise-address"},
		"no host key":          {func(c *Config) { c.Host.Key = "" }, "--host-key"},
		"no prefix":            {func(c *Config) { c.ServiceCIDR = "10.96.0.0" }, "--service-cidr"},
		"host bits":            {func(c *Config) { c.PodCIDR = "10.244.0.1/16" }, "such as 10.244.0.0/16"},
		"no room for a node":   {func(c *Config) { c.PodCIDR = "10.244.0.0/25" }, "--pod-cidr"},
		"pods within services": {func(c *Config) { c.PodCIDR = "10.96.4.0/22" }, "overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good()
			tc.change(&config)
			err := config.validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	config := good()
	got := config.addresses()
	if got.Server != "https://10.77.0.2:6443" || got.Service.String() != "10.96.0.1" {
		t.Errorf("got %+v", got)
	}
}

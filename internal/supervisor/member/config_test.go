package member

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	hostpki "pacific/internal/pki"
	"pacific/internal/supervisor/pki"
)

// secrets are made once: they are slow to make.
var secrets = sync.OnceValues(func() (Config, error) {
	bundle, err := pki.NewBundle()
	if err != nil {
		return Config{}, err
	}
	dir, err := os.MkdirTemp("", "member-test-")
	if err != nil {
		return Config{}, err
	}
	defer os.RemoveAll(dir)
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, err := hostpki.LoadOrCreateCA(file("ca.crt"), file("ca.key"), "hosts")
	if err != nil {
		return Config{}, err
	}
	if _, err := ca.Ensure(hostpki.Leaf{CertFile: file("c.crt"), KeyFile: file("c.key"), CommonName: "image-controller", Client: true}); err != nil {
		return Config{}, err
	}
	read := func(name string) string {
		data, _ := os.ReadFile(file(name))
		return string(data)
	}
	return Config{PKI: &bundle, HostClient: HostClient{CA: read("ca.crt"), Certificate: read("c.crt"), Key: read("c.key")}}, nil
})

func good(t *testing.T) Config {
	t.Helper()
	config, err := secrets()
	if err != nil {
		t.Fatal(err)
	}
	config.Supervisor, config.Name, config.DataDir = "domain-c1", "cp-1", "/data"
	config.Members = []Member{
		{"cp-1", netip.MustParseAddr("10.77.0.3")}, {"cp-2", netip.MustParseAddr("10.77.0.4")}, {"cp-3", netip.MustParseAddr("10.77.0.5")},
	}
	config.Etcd.InitialState = New
	config.Floating = &Floating{Address: netip.MustParsePrefix("10.77.0.2/24"), Interface: "eth0"}
	config.TimeFactor = 1
	config.ServiceCIDR, config.PodCIDR = netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("10.244.0.0/16")
	config.CertificateNames = []string{"wcp.example.com", "192.0.2.7"}
	config.Registries = map[string]string{"10.77.0.1:5000": config.HostClient.CA}
	return config
}

func TestADocumentIsReadAsItWasWritten(t *testing.T) {
	config := good(t)
	data, err := config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := got.Encode(); err != nil || string(again) != string(data) {
		t.Errorf("got\n%s\nwant\n%s", again, data)
	}
	if got.Self().PeerURL() != "https://10.77.0.3:2380" || got.Alone() {
		t.Errorf("got %+v", got.Self())
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string // part of the error; empty for none
	}{
		"good":                {func(*Config) {}, ""},
		"alone":               {func(c *Config) { c.Members = c.Members[:1] }, ""},
		"no floating address": {func(c *Config) { c.Floating = nil }, ""},
		"four while replacing": {func(c *Config) {
			c.Etcd.InitialState, c.Members = Existing, append(c.Members, Member{"cp-4", netip.MustParseAddr("10.77.0.6")})
		}, ""},
		"two":                     {func(c *Config) { c.Members = c.Members[:2] }, "1, 3 or 5"},
		"no id":                   {func(c *Config) { c.Supervisor = "" }, "supervisor"},
		"relative directory":      {func(c *Config) { c.DataDir = "data" }, "dataDir"},
		"not a member":            {func(c *Config) { c.Name = "cp-9" }, "none of members"},
		"member twice":            {func(c *Config) { c.Members[1].Address = c.Members[0].Address }, "another member's"},
		"member without address":  {func(c *Config) { c.Members[1].Address = netip.Addr{} }, "members[1].address"},
		"no state":                {func(c *Config) { c.Etcd.InitialState = "" }, "etcd.initialState"},
		"restore and join":        {func(c *Config) { c.Etcd = Etcd{Existing, "/s"} }, "etcd.restoreFrom"},
		"floating is a member's":  {func(c *Config) { c.Floating.Address = netip.MustParsePrefix("10.77.0.4/24") }, "would not move"},
		"floating is no address":  {func(c *Config) { c.Floating.Address = netip.Prefix{} }, "floating.address"},
		"interface":               {func(c *Config) { c.Floating.Interface = "../eth0" }, "floating.interface"},
		"host bits":               {func(c *Config) { c.ServiceCIDR = netip.MustParsePrefix("10.96.0.1/16") }, "serviceCIDR"},
		"overlap":                 {func(c *Config) { c.PodCIDR = netip.MustParsePrefix("10.96.0.0/20") }, "overlaps"},
		"name":                    {func(c *Config) { c.CertificateNames = []string{"a b"} }, "certificateNames[0]"},
		"registry is a path":      {func(c *Config) { c.Registries = map[string]string{"../x:1": ""} }, "registries"},
		"no host certificate":     {func(c *Config) { c.HostClient.Certificate = "" }, "hostClient"},
		"no authority of hosts":   {func(c *Config) { c.HostClient.CA = "x" }, "hostClient.ca"},
		"tokens of nobody":        {func(c *Config) { c.Tokens = &Tokens{Issuer: "http://x", CA: c.HostClient.CA} }, "tokens.issuer"},
		"tokens without proof":    {func(c *Config) { c.Tokens = &Tokens{Issuer: "https://x/y"} }, "tokens.ca"},
		"no secrets":              {func(c *Config) { c.PKI = nil }, "pki is missing"},
		"time stands still":       {func(c *Config) { c.TimeFactor = -1 }, "timeFactor"},
		"dataplane of no machine": {func(c *Config) { c.Dataplane = &Dataplane{} }, "dataplane.interface"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good(t)
			tc.change(&config)
			err := config.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatIsUnknownIsAnErrorAndNoSecretIsQuoted(t *testing.T) {
	config := good(t)
	data, err := config.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(append(data, "surprise: 1\n"...)); err == nil || !strings.Contains(err.Error(), "surprise") {
		t.Errorf("got %v", err)
	}
	config.PKI = &pki.Bundle{ServiceAccountKey: config.PKI.ServiceAccountKey, CA: pki.Pair{Key: config.PKI.CA.Key}}
	err = config.Validate()
	if _, key, _ := strings.Cut(config.PKI.CA.Key, "\n"); err == nil || strings.Contains(err.Error(), key[:20]) {
		t.Errorf("got %v", err)
	}
}

func TestTheHolderLetsGoBeforeAnotherTakes(t *testing.T) {
	for factor := 1; factor <= 10; factor++ {
		config := Config{TimeFactor: factor}
		timing := config.Timing().Floating
		const kernelsDelay = 1 // s
		if timing.Hold.Seconds()+kernelsDelay >= timing.Lease.Seconds() || timing.Hold < 2*timing.Tick || timing.Hold%1e9 != 0 {
			t.Errorf("factor %d: %+v", factor, timing)
		}
	}
}

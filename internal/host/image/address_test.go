package image

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestPolicy(t *testing.T) {
	c := registryConfig{Mirrors: []string{"mirror.corp:5000", "http://plain.corp"}, Endpoints: []string{"minio.corp:9000"}}
	p := policyOf("registry.example", c)
	local := policyOf("127.0.0.1:5000", registryConfig{configured: true})
	for _, test := range []struct {
		policy      policy
		asked, addr string
		ok          bool
	}{
		{p, "registry.example:443", "93.184.216.34:443", true},
		{p, "registry.example:443", "10.1.2.3:443", true},
		{p, "registry.example:443", "127.0.0.1:443", false},
		{p, "registry.example:443", "169.254.169.254:443", false},
		{p, "registry.example:443", "[fe80::1]:443", false},
		{p, "registry.example:443", "[::ffff:169.254.169.254]:443", false},
		{p, "registry.example:443", "[fd00:ec2::254]:443", false},
		{p, "registry.example:443", "[fd12::1]:443", true},
		{p, "registry.example:22", "93.184.216.34:22", false},
		{p, "registry.example:22", "10.1.2.3:22", false},
		{p, "mirror.corp:5000", "10.1.2.3:5000", true},
		{p, "plain.corp:80", "10.1.2.3:80", true},
		{p, "minio.corp:9000", "192.168.1.1:9000", true},
		{p, "auth.example:443", "93.184.216.34:443", true},
		{p, "blobs.example:443", "10.1.2.3:443", false},
		{p, "blobs.example:443", "[fd12::1]:443", false},
		{p, "blobs.example:443", "100.64.1.1:443", false},
		{p, "blobs.example:80", "93.184.216.34:80", false},
		{p, "127.0.0.1:443", "127.0.0.1:443", false},
		{local, "127.0.0.1:5000", "127.0.0.1:5000", true},
		{local, "127.0.0.1:6443", "127.0.0.1:6443", false},
		{policyOf("127.0.0.1:5000", registryConfig{}), "127.0.0.1:5000", "127.0.0.1:5000", false},
		{p, "registry.example:443", "0.0.0.0:443", false},
	} {
		err := test.policy.allow(test.asked, netip.MustParseAddrPort(test.addr))
		if (err == nil) != test.ok {
			t.Errorf("%s at %s: %v", test.asked, test.addr, err)
		}
	}
}

func TestRegistryConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("r.example:5000/hosts.json", `{"plainHTTP":false,"mirrors":["m.example","http://p.example:80"],"endpoints":["e.example:9000"]}`)
	write("r.example:5000/ca.crt", "OWN")
	write("m.example/ca.crt", "MIRROR")
	write("docker.io/hosts.json", `{"mirrors":["m.example"]}`)
	write("bad.example/hosts.json", `{"mirror":["typo"]}`)

	c, err := readRegistryConfig(dir, "r.example:5000")
	if err != nil || !c.configured || !reflect.DeepEqual(c.Mirrors, []string{"m.example", "http://p.example:80"}) ||
		!strings.Contains(string(c.ca), "OWN") || !strings.Contains(string(c.ca), "MIRROR") {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := readRegistryConfig(dir, "index.docker.io"); err != nil || len(c.Mirrors) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := readRegistryConfig(dir, "none.example"); err != nil || c.configured {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := readRegistryConfig(dir, "bad.example"); err == nil || !strings.Contains(err.Error(), "bad.example/hosts.json") {
		t.Error(err)
	}
}

func TestParseReference(t *testing.T) {
	for text, want := range map[string]string{
		"busybox":                                "docker.io/library/busybox:latest",
		"busybox:1.36":                           "docker.io/library/busybox:1.36",
		"index.docker.io/org/app":                "docker.io/org/app:latest",
		"10.77.0.1:5000/web:1":                   "10.77.0.1:5000/web:1",
		"r.example/a/b:x@" + digest("a"):         "r.example/a/b@" + digest("a"),
		"localhost:5000/app@" + digest("b"):      "localhost:5000/app@" + digest("b"),
		"Upper/case":                             "",
		"app@sha256:short":                       "",
		"app@sha512:" + strings.Repeat("a", 128): "",
		"":                                       "",
	} {
		ref, err := parseReference(text)
		if (err == nil) != (want != "") || err == nil && ref.String() != want {
			t.Errorf("%q: %q, %v", text, ref, err)
		}
	}
}

func TestDiskSize(t *testing.T) {
	if size, err := diskSize(1 << 40); err != nil || size != maxDisk {
		t.Error(size, err)
	}
	if size, err := diskSize(1 << 30); err != nil || size >= 1<<30 || size%(1<<20) != 0 {
		t.Error(size, err)
	}
	if _, err := diskSize(10 << 20); err == nil {
		t.Error("a full datastore")
	}
}

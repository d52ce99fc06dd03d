package image

import (
	"net/netip"
	"strings"
	"testing"

	"pacific/internal/registryconfig"
)

func TestPolicy(t *testing.T) {
	c := registryconfig.Config{Mirrors: []string{"mirror.corp:5000", "http://plain.corp"}, Endpoints: []string{"minio.corp:9000"}}
	p := policyOf("registry.example", c)
	local := policyOf("127.0.0.1:5000", registryconfig.Config{Configured: true})
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
		{policyOf("127.0.0.1:5000", registryconfig.Config{}), "127.0.0.1:5000", "127.0.0.1:5000", false},
		{p, "registry.example:443", "0.0.0.0:443", false},
	} {
		err := test.policy.allow(test.asked, netip.MustParseAddrPort(test.addr))
		if (err == nil) != test.ok {
			t.Errorf("%s at %s: %v", test.asked, test.addr, err)
		}
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

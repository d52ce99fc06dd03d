package registry

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/crypto/bcrypt"

	"pacific/internal/pki"
)

// serve runs a registry over TLS and returns its address, its CA file and a function that stops it.
func serve(t *testing.T, config Config) (address, ca string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	file := func(n string) string { return filepath.Join(dir, n) }
	authority, err := pki.LoadOrCreateCA(file("ca.crt"), file("ca.key"), "test")
	if err != nil {
		t.Fatal(err)
	}
	leaf := pki.Leaf{CertFile: file("r.crt"), KeyFile: file("r.key"), CommonName: "registry", Server: true, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}
	if _, err := authority.Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	tlsConfig, err := pki.ServerConfig(file("r.crt"), file("r.key"), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	handler, err := New(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, tlsConfig, handler) }()
	return listener.Addr().String(), file("ca.crt"), func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func options(t *testing.T, ca string, auth authn.Authenticator) []remote.Option {
	t.Helper()
	config, err := pki.ClientConfig(ca, "", "")
	if err != nil {
		t.Fatal(err)
	}
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = config
	return []remote.Option{remote.WithTransport(transport), remote.WithAuth(auth), remote.WithContext(t.Context())}
}

func image(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(10_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestRegistryKeepsImages over a restart, and deletes what it is told to.
func TestRegistryKeepsImages(t *testing.T) {
	dir := t.TempDir()
	img := image(t)
	address, ca, stop := serve(t, Config{DataDir: dir})
	push := options(t, ca, authn.Anonymous)
	if err := remote.Write(tag(t, address), img, push...); err != nil {
		t.Fatal(err)
	}
	stop()
	address, ca, stop = serve(t, Config{DataDir: dir})
	defer stop()
	opts := options(t, ca, authn.Anonymous)
	got, err := remote.Head(tag(t, address), opts...)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := img.Digest(); got.Digest != want {
		t.Error(got.Digest)
	}
	if err := remote.Delete(tag(t, address).Context().Digest(got.Digest.String()), opts...); err != nil {
		t.Error(err)
	}
	if _, err := remote.Head(tag(t, address), opts...); err == nil {
		t.Error("the image is still there")
	}
}

func TestPasswords(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, []byte("anna:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address, ca, stop := serve(t, Config{DataDir: t.TempDir(), Htpasswd: file})
	defer stop()
	for password, ok := range map[string]bool{"secret": true, "wrong": false} {
		auth := authn.FromConfig(authn.AuthConfig{Username: "anna", Password: password})
		err := remote.Write(tag(t, address), image(t), options(t, ca, auth)...)
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "401 Unauthorized") {
			t.Errorf("password %s: %v", password, err)
		}
	}
	if _, err := New(t.Context(), Config{DataDir: t.TempDir(), Htpasswd: file + ".none"}); err == nil {
		t.Error("a missing password file was accepted")
	}
}

func tag(t *testing.T, address string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(address + "/team/app:1")
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

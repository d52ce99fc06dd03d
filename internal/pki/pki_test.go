package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func testLeaf(dir, name string) Leaf {
	return Leaf{
		CertFile: filepath.Join(dir, name+".crt"), KeyFile: filepath.Join(dir, name+".key"),
		CommonName: name, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, Client: true,
	}
}

func testCA(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := LoadOrCreateCA(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestEnsureIssuesOnlyWhenNeeded(t *testing.T) {
	dir := t.TempDir()
	ca := testCA(t, dir)
	leaf := testLeaf(dir, "a")
	ensure := func(leaf Leaf, want bool, why string) {
		t.Helper()
		if got, err := ca.Ensure(leaf); err != nil || got != want {
			t.Fatalf("%s: issued %v, %v; want %v", why, got, err, want)
		}
	}
	ensure(leaf, true, "missing")
	ensure(leaf, false, "present")
	leaf.DNSNames = []string{"host-1"}
	ensure(leaf, true, "other names")
	ca.now = func() time.Time { return time.Now().Add(leafLife * 3 / 4) }
	ensure(leaf, true, "past two thirds of its life")
	ensure(leaf, false, "renewed")
	if err := os.WriteFile(leaf.KeyFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	ensure(leaf, true, "broken key")
}

func TestAuthorityIsKeptAndNeverHalfReplaced(t *testing.T) {
	dir := t.TempDir()
	first, second := testCA(t, dir), testCA(t, dir)
	if !first.cert.Equal(second.cert) {
		t.Error("a second start made a second authority")
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateCA(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), "test"); err == nil {
		t.Error("an authority without its key was accepted or replaced")
	}
}

// A crash between the two writes of a new authority, or somebody's hand, leaves the key alone.
func TestAnAuthoritysKeyAloneGetsItsCertificateBack(t *testing.T) {
	dir := t.TempDir()
	leaf := testLeaf(dir, "a")
	if _, err := testCA(t, dir).Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.crt")); err != nil {
		t.Fatal(err)
	}
	if renewed, err := testCA(t, dir).Ensure(leaf); err != nil || renewed {
		t.Errorf("the authority did not know what it had signed: issued %v, %v", renewed, err)
	}
}

func TestPrivateFilesAreNotReadableByOthers(t *testing.T) {
	dir := t.TempDir()
	leaf := testLeaf(dir, "a")
	if _, err := testCA(t, dir).Ensure(leaf); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"ca.key", "a.key"} {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode().Perm())
		}
	}
}

func TestMutualTLSAndReload(t *testing.T) {
	dir := t.TempDir()
	ca := testCA(t, dir)
	server, client := testLeaf(dir, "server"), testLeaf(dir, "client")
	for _, leaf := range []Leaf{server, client} {
		if _, err := ca.Ensure(leaf); err != nil {
			t.Fatal(err)
		}
	}
	caFile := filepath.Join(dir, "ca.crt")
	serverConfig, err := ServerConfig(server.CertFile, server.KeyFile, caFile)
	if err != nil {
		t.Fatal(err)
	}
	clientConfig, err := ClientConfig(caFile, client.CertFile, client.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	anonymous, err := ClientConfig(caFile, "", "")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go greet(listener)

	before := serial(t, listener.Addr().String(), clientConfig)
	server.DNSNames = []string{"renewed"}
	if _, err := ca.Ensure(server); err != nil {
		t.Fatal(err)
	}
	if after := serial(t, listener.Addr().String(), clientConfig); after == before {
		t.Error("the server still shows the old certificate")
	}
	conn, err := tls.Dial("tcp", listener.Addr().String(), anonymous)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("a client without a certificate was let in")
	}
}

func greet(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("x"))
		_ = conn.Close()
	}
}

func serial(t *testing.T, address string, config *tls.Config) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestSignUsesOnlyTheKeyOfARequest(t *testing.T) {
	dir := t.TempDir()
	ca := testCA(t, dir)
	key, err := EnsureKey(filepath.Join(dir, "a.key"))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "admin"}, DNSNames: []string{"evil"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := ca.Sign(der, Leaf{CommonName: "host:a", Client: true}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.crt"), signed, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, err := Pair(filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key"))
	if err != nil || cert.Subject.CommonName != "host:a" || len(cert.DNSNames) != 0 || cert.NotAfter.After(time.Now().Add(time.Hour)) {
		t.Errorf("got %v, %v", cert, err)
	}
	forged := append([]byte{}, der...)
	forged[len(forged)-1] ^= 1
	small, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	weak, _ := Request(small)
	for name, request := range map[string][]byte{"forged": forged, "weak": weak, "empty": nil} {
		if _, err := ca.Sign(request, Leaf{CommonName: "x"}, time.Hour); err == nil {
			t.Errorf("a %s request was signed", name)
		}
	}
}

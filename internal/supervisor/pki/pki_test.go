package pki

import (
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var update = flag.Bool("update", false, "write the golden files")

var addresses = Addresses{Advertise: net.IPv4(10, 77, 0, 2), Service: net.IPv4(10, 96, 0, 1), Server: "https://10.77.0.2:6443"}

func TestLayout(t *testing.T) {
	layout := Layout{DataDir: t.TempDir()}
	if err := layout.Ensure(addresses); err != nil {
		t.Fatal(err)
	}
	got := listing(t, layout.DataDir)
	const golden = "testdata/layout.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// listing shows every file with its mode and, for certificates, who it is and who signed it.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%o %s%s\n", info.Mode().Perm(), name, describe(t, path))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func describe(t *testing.T, file string) string {
	t.Helper()
	if filepath.Ext(file) != ".crt" {
		return ""
	}
	c := certificate(t, file)
	text := fmt.Sprintf("  CN=%s O=%v by %s", c.Subject.CommonName, c.Subject.Organization, c.Issuer.CommonName)
	if len(c.DNSNames)+len(c.IPAddresses) > 0 {
		text += fmt.Sprintf(" for %v %v", c.DNSNames, c.IPAddresses)
	}
	return text
}

func certificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEnsureChangesNothingThatIsGood(t *testing.T) {
	layout := Layout{DataDir: t.TempDir()}
	if err := layout.Ensure(addresses); err != nil {
		t.Fatal(err)
	}
	before := contents(t, layout.DataDir)
	if err := layout.Ensure(addresses); err != nil {
		t.Fatal(err)
	}
	for name, content := range contents(t, layout.DataDir) {
		if before[name] != content {
			t.Errorf("%s was written again", name)
		}
	}
}

func TestANewAddressRenewsOnlyServingCertificates(t *testing.T) {
	layout := Layout{DataDir: t.TempDir()}
	if err := layout.Ensure(addresses); err != nil {
		t.Fatal(err)
	}
	before := contents(t, layout.DataDir)
	moved := addresses
	moved.Advertise = net.IPv4(10, 77, 1, 2)
	if err := layout.Ensure(moved); err != nil {
		t.Fatal(err)
	}
	for name, content := range contents(t, layout.DataDir) {
		serving := strings.HasPrefix(name, "pki/"+APIServer+".") || strings.HasPrefix(name, "pki/"+ControlPlane+".")
		if changed := before[name] != content; changed != serving {
			t.Errorf("%s changed: %v", name, changed)
		}
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		all[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestKubeconfigsReferToFiles(t *testing.T) {
	layout := Layout{DataDir: t.TempDir()}
	if err := layout.Ensure(addresses); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", layout.Kubeconfig(Admin))
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != addresses.Server || config.CertFile != layout.Cert(Admin) || config.CAFile != layout.Cert(CA) {
		t.Errorf("got %s, %s, %s", config.Host, config.CertFile, config.CAFile)
	}
	if _, err := rest.TransportFor(config); err != nil {
		t.Error(err)
	}
}

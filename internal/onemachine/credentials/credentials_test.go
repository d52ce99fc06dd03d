package credentials

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"pacific/internal/onemachine/instance"
	"pacific/internal/onemachine/layout"
	"pacific/internal/pki"
)

// TestIdentities compares who gets which certificate with testdata/identities; go test -rewrite writes it anew.
func TestIdentities(t *testing.T) {
	datadriven.RunTest(t, "testdata/identities", func(t *testing.T, d *datadriven.TestData) string {
		in := instance.Instance{ID: 1, Home: "/home", Hosts: 2}
		return text(leavesOf(in))
	})
}

func text(certs []pki.Leaf) string {
	var b strings.Builder
	for _, c := range certs {
		fmt.Fprintf(&b, "  %s CN=%s O=%v DNS=%v IP=%v server=%v client=%v\n", c.CertFile, c.CommonName, c.Organizations, c.DNSNames, c.IPs, c.Server, c.Client)
	}
	return b.String()
}

func TestEnsureMakesAllOnceAndKeepsKeysPrivate(t *testing.T) {
	in := instance.Instance{ID: 9, Home: t.TempDir(), Hosts: 2}
	if err := Ensure(in); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, in.Home)
	if err := Ensure(in); err != nil {
		t.Fatal(err)
	}
	if after := snapshot(t, in.Home); after != before {
		t.Errorf("a second Ensure changed files:\n%s\n%s", before, after)
	}
	for line := range strings.Lines(before) {
		if (strings.Contains(line, ".key") || strings.Contains(line, "kubeconfig")) && !strings.HasPrefix(line, "-rw-------") {
			t.Errorf("readable by others: %s", line)
		}
	}
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		fmt.Fprintln(&b, info.Mode(), info.ModTime().UnixNano(), strings.TrimPrefix(path, dir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheAdministratorsKubeconfigLoads(t *testing.T) {
	in := instance.Instance{ID: 9, Home: t.TempDir(), Hosts: 1}
	if err := Ensure(in); err != nil {
		t.Fatal(err)
	}
	l := layout.Layout{ID: in.ID, Home: in.Home}
	if !AdminDue(l, time.Now()) {
		t.Error("a certificate that is not there is not due")
	}
	ca, err := pki.LoadCA(l.HostCA().Cert, l.HostCA().Key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := ca.Issue(pki.Leaf{CommonName: "kubernetes-admin", Client: true}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := SaveAdmin(l, Admin{CA: string(ca.PEM()), Certificate: string(certificate), Key: string(key)}); err != nil {
		t.Fatal(err)
	}
	if AdminDue(l, time.Now()) || !AdminDue(l, time.Now().Add(50*time.Minute)) {
		t.Error("a certificate is due at the wrong time")
	}
	config, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig())
	if err != nil || config.Host != "https://10.77.9.2:6443" {
		t.Fatal(err)
	}
	if _, err := rest.TLSConfigFor(config); err != nil {
		t.Error(err)
	}
	admin, err := os.ReadFile(l.Kubeconfig())
	if err != nil || strings.Contains(string(admin), in.Home) {
		t.Errorf("the administrator's kubeconfig refers to other files: %v", err)
	}
}

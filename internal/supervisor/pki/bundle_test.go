package pki

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMembersOfOneBundleTrustEachOther(t *testing.T) {
	bundle, err := NewBundle()
	if err != nil {
		t.Fatal(err)
	}
	if err := bundle.Validate(); err != nil {
		t.Fatal(err)
	}
	var before map[string]string
	for _, name := range []string{"cp-1", "cp-2"} {
		dir := filepath.Join(t.TempDir(), name)
		for range 2 { // again at each start
			if err := bundle.Install(dir); err != nil {
				t.Fatal(err)
			}
		}
		member := addresses
		member.Member = name
		if err := (Layout{DataDir: dir}).Ensure(member); err != nil {
			t.Fatal(err)
		}
		after := contents(t, dir)
		for _, file := range []string{"pki/ca.crt", "pki/member-ca.key", "pki/sa.key", "encryption.yaml"} {
			if before != nil && before[file] != after[file] {
				t.Errorf("%s differs between members", file)
			}
		}
		before = after
	}
}

func TestABundleReadFromAMemberIsTheSame(t *testing.T) {
	bundle, err := NewBundle()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := bundle.Install(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := ReadBundle(dir); err != nil || again != bundle {
		t.Errorf("read another bundle: %v", err)
	}
	for line := range strings.Lines(listing(t, dir)) {
		if !strings.HasPrefix(line, "600 ") {
			t.Errorf("readable by others: %s", line)
		}
	}
}

func TestAnotherBundleDestroysNothing(t *testing.T) {
	first, err := NewBundle()
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewBundle()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := first.Install(dir); err != nil {
		t.Fatal(err)
	}
	if err := second.Install(dir); err == nil || !strings.Contains(err.Error(), "Secrets") {
		t.Errorf("a second bundle: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "encryption.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := second.Install(dir); err == nil {
		t.Error("another authority was taken")
	}
}

func TestEveryPartOfABundleIsNeeded(t *testing.T) {
	bundle, err := NewBundle()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Bundle){
		CA:                  func(b *Bundle) { b.CA.Key = b.MemberCA.Key },
		MemberCA:            func(b *Bundle) { b.MemberCA = Pair{} },
		"serviceAccountKey": func(b *Bundle) { b.ServiceAccountKey = "" },
		"encryptionKey":     func(b *Bundle) { b.EncryptionKey = "" },
	} {
		broken := bundle
		change(&broken)
		if err := broken.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

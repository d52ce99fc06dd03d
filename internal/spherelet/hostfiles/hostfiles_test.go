package hostfiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestRefusal(t *testing.T) {
	for _, test := range []struct {
		path string
		kind *v1.HostPathType
		want string
	}{
		{"/etc/hosts", nil, ""},
		{"/etc//hosts", ptr.To(v1.HostPathUnset), ""},
		{"/etc/localtime", ptr.To(v1.HostPathFile), ""},
		{"/etc/hosts", ptr.To(v1.HostPathFileOrCreate), ""},
		{"/etc/hosts", ptr.To(v1.HostPathDirectory), "has only files"},
		{"/etc/hosts", ptr.To(v1.HostPathDirectoryOrCreate), "has only files"},
		{"/etc/hosts", ptr.To(v1.HostPathSocket), "has only files"},
		{"/etc/shadow", nil, "sees no files of the host but copies of /etc/hosts, /etc/resolv.conf"},
		{"/etc", nil, "sees no files"},
		{"/", nil, "sees no files"},
		{"", nil, "sees no files"},
	} {
		got := Refusal(&v1.HostPathVolumeSource{Path: test.path, Type: test.kind})
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s of type %v: %q, want %q", test.path, ptr.Deref(test.kind, "-"), got, test.want)
		}
	}
}

func TestCopiesFollowTheFile(t *testing.T) {
	root := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	var changed []string
	c := New(root, func(path string) { changed = append(changed, path) })
	looks := func(want string) {
		t.Helper()
		changed = nil
		c.look()
		if got := strings.Join(changed, " "); got != want {
			t.Errorf("changed is %q, want %q", got, want)
		}
	}
	write("etc/hosts", "one", 0o644)
	write("etc/timezone", "Etc/UTC", 0o600)
	if data, err := c.Read(Hosts); err != nil || string(data) != "one" {
		t.Fatalf("%q, %v", data, err)
	}
	for path, want := range map[string]string{"/etc/localtime": "is not there", "/etc/timezone": "not everybody may read it", "/etc": "is not a file"} {
		if _, err := c.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	looks("")
	write("etc/hosts", "two", 0o644)
	looks(Hosts)
	looks("") // told once; whoever has it reads it again
	if data, err := c.Read(Hosts); err != nil || string(data) != "two" {
		t.Fatalf("%q, %v", data, err)
	}
	if err := os.Symlink("hosts", filepath.Join(root, "etc/localtime")); err != nil {
		t.Fatal(err)
	}
	looks("/etc/localtime")
	write("etc/resolv.conf", strings.Repeat("x", maxSize+1), 0o644)
	if _, err := c.Read("/etc/resolv.conf"); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
}

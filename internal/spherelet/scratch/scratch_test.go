package scratch

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
)

func TestIs(t *testing.T) {
	for _, test := range []struct {
		path string
		kind v1.HostPathType
		want bool
	}{
		{"/tmp/job-e2e/a", v1.HostPathDirectoryOrCreate, true},
		{"/tmp//a/", v1.HostPathUnset, true},
		{"/tmp/a", v1.HostPathDirectory, true},
		{"/tmp/a", v1.HostPathFile, false},
		{"/tmp/a", v1.HostPathSocket, false},
		{"/tmp", v1.HostPathDirectory, false},
		{"/tmp/..", v1.HostPathDirectory, false},
		{"/tmp/../etc", v1.HostPathDirectory, false},
		{"/tmpx/a", v1.HostPathDirectory, false},
		{"tmp/a", v1.HostPathDirectory, false},
	} {
		if got := Is(&v1.HostPathVolumeSource{Path: test.path, Type: &test.kind}); got != test.want {
			t.Errorf("%s of type %q: %v", test.path, test.kind, got)
		}
	}
	if !Is(&v1.HostPathVolumeSource{Path: "/tmp/a"}) || Is(nil) {
		t.Error("without a type")
	}
}

// area is a store and the words for it.
type area struct {
	*testing.T
	*Store
}

func open(t *testing.T, file string) area {
	t.Helper()
	s, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return area{t, s}
}

func (a area) has(dir, want string) {
	a.Helper()
	files, err := a.Read(dir, false)
	var words []string
	for _, f := range files {
		words = append(words, fmt.Sprintf("%s=%s/%o/%d:%d/%v", f.Path, f.Data, f.Mode, f.GetUid(), f.GetGid(), f.Directory))
	}
	if err != nil {
		words = append(words, err.Error())
	}
	if got := strings.Join(words, " "); got != want {
		a.Errorf("%s has\n%s, want\n%s", dir, got, want)
	}
}

func (a area) apply(dir string, removed []string, files ...*agentv1.File) {
	a.Helper()
	if err := a.Apply(dir, &agentv1.ReadScratchResponse{Changed: files, Removed: removed}); err != nil {
		a.Fatal(err)
	}
}

func file(path, data string) *agentv1.File {
	return &agentv1.File{Path: path, Data: []byte(data), Mode: 0o104644, Uid: ptr.To[int64](1000)}
}

func TestStore(t *testing.T) {
	name := filepath.Join(t.TempDir(), "scratch.json")
	a := open(t, name)
	a.has("/tmp/a", "hostPath type check failed: /tmp/a is not a directory")
	if _, err := a.Read("/tmp/a", true); err != nil {
		t.Fatal(err)
	}
	a.has("/tmp/a", "")
	a.apply("/tmp/a", nil, file("x", "1"), &agentv1.File{Path: "d", Directory: true, Mode: 0o755}, file("d/y", "2"))
	a.apply("/tmp/a", nil, file("z", "3")) // of a pod that did not see the others
	a = open(t, name)                      // after a restart
	a.has("/tmp/a", "d=/755/0:0/true d/y=2/644/1000:0/false x=1/644/1000:0/false z=3/644/1000:0/false")
	a.has("/tmp/a/d", "y=2/644/1000:0/false")
	a.has("/tmp/a/x", "hostPath type check failed: /tmp/a/x is not a directory")
	a.has("/tmp/b", "hostPath type check failed: /tmp/b is not a directory")
	a.apply("/tmp/a", []string{"d", "../b"}, file("x", "4"))
	a.has("/tmp/a", "x=4/644/1000:0/false z=3/644/1000:0/false")

	for _, bad := range []*agentv1.File{file("../b", ""), file("/etc/passwd", ""), file("", ""), file("a/../../b", ""), file("large", strings.Repeat("x", share))} {
		if err := a.Apply("/tmp/a", &agentv1.ReadScratchResponse{Changed: []*agentv1.File{bad}}); err == nil {
			t.Errorf("%s was taken", bad.Path)
		}
	}
}

func TestWhatIsOldGoes(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "scratch.json"))
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	a.now = func() time.Time { now = now.Add(time.Second); return now }
	for i := range 5 {
		dir := fmt.Sprintf("/tmp/%d", i)
		if _, err := a.Read(dir, true); err != nil {
			t.Fatal(err)
		}
		a.apply(dir, nil, file("f", strings.Repeat("x", share-200)))
	}
	var left []string
	for name := range a.entries {
		left = append(left, name)
	}
	slices.Sort(left)
	if got := strings.Join(left, " "); got != "/tmp/1 /tmp/1/f /tmp/2 /tmp/2/f /tmp/3 /tmp/3/f /tmp/4 /tmp/4/f" {
		t.Errorf("left: %s", got)
	}
	// More than a pod gets, together.
	a.apply("/tmp/4", nil, file("g", strings.Repeat("x", 300)))
	if _, err := a.Read("/tmp/4", true); err == nil || !strings.Contains(err.Error(), "use a directory below it") {
		t.Error(err)
	}
}

package spec

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	agentv1 "pacific/api/agent/v1"

	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestArgs(t *testing.T) {
	cases := []struct{ entrypoint, cmd, command, args, want string }{
		{"e", "c", "", "", "e c"},
		{"e", "c", "", "a", "e a"},
		{"e", "c", "k", "", "k"},
		{"e", "c", "k", "a", "k a"},
		{"", "c", "", "", "c"},
		{"", "", "", "a", "a"},
		{"", "", "", "", ""},
	}
	for _, c := range cases {
		got, err := Args(&agentv1.Container{Command: strings.Fields(c.command), Args: strings.Fields(c.args)},
			imagespec.ImageConfig{Entrypoint: strings.Fields(c.entrypoint), Cmd: strings.Fields(c.cmd)})
		if strings.Join(got, " ") != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestEnv(t *testing.T) {
	got := Env(&agentv1.Pod{Hostname: "h"},
		&agentv1.Container{Env: []*agentv1.EnvVar{{Name: "A", Value: "pod"}, {Name: "A", Value: "last"}, {Name: "EMPTY"}}},
		imagespec.ImageConfig{Env: []string{"PATH=/x", "A=image", "B=image", "broken"}})
	want := []string{"PATH=/x", "HOSTNAME=h", "A=last", "B=image", "EMPTY="}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCapabilities(t *testing.T) {
	cases := []struct {
		add, drop []string
		has, not  string
		count     int
	}{
		{nil, nil, "CAP_CHOWN", "CAP_NET_ADMIN", 14},
		{[]string{"NET_ADMIN"}, nil, "CAP_NET_ADMIN", "CAP_SYS_ADMIN", 15},
		{[]string{"net_bind_service"}, []string{"ALL"}, "CAP_NET_BIND_SERVICE", "CAP_CHOWN", 1},
		{[]string{"ALL"}, []string{"CAP_SYS_ADMIN"}, "CAP_BPF", "CAP_SYS_ADMIN", 40},
		{nil, []string{"CHOWN", "KILL"}, "CAP_FOWNER", "CAP_KILL", 12},
	}
	for _, c := range cases {
		got := capabilities(&agentv1.SecurityContext{AddCapabilities: c.add, DropCapabilities: c.drop})
		if len(got) != c.count || !slices.Contains(got, c.has) || slices.Contains(got, c.not) {
			t.Errorf("add %q drop %q: %q", c.add, c.drop, got)
		}
	}
}

func value(v int64) *int64 { return &v }

func TestResolveUser(t *testing.T) {
	root := t.TempDir()
	os.Mkdir(filepath.Join(root, "etc"), 0o755)
	os.WriteFile(filepath.Join(root, "etc/passwd.real"), []byte("root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"), 0o644)
	os.Symlink("/etc/passwd.real", filepath.Join(root, "etc/passwd")) // absolute: within the image
	os.WriteFile(filepath.Join(root, "etc/group"), []byte("root:x:0:\napp:x:1001:\nextra:x:2000:app\n"), 0o644)
	cases := []struct {
		image    string
		security *agentv1.SecurityContext
		uid, gid uint32
		groups   []uint32
		fails    bool
	}{
		{"", nil, 0, 0, []uint32{0}, false},
		{"app", nil, 1000, 1001, []uint32{2000, 1001}, false},
		{"1000", nil, 1000, 1001, []uint32{2000, 1001}, false},
		{"app:root", nil, 1000, 0, []uint32{2000, 0}, false},
		{"4711", nil, 4711, 0, []uint32{0}, false},
		{"4711:4712", nil, 4711, 4712, []uint32{4712}, false},
		{"nobody-here", nil, 0, 0, nil, true},
		{"app", &agentv1.SecurityContext{RunAsUser: value(0)}, 0, 0, []uint32{0}, false},
		{"", &agentv1.SecurityContext{RunAsUser: value(1000), RunAsGroup: value(5)}, 1000, 5, []uint32{2000, 5}, false},
		{"app", &agentv1.SecurityContext{RunAsGroup: value(5), SupplementalGroups: []int64{7}}, 1000, 5, []uint32{2000, 7, 5}, false},
	}
	for _, c := range cases {
		u, err := ResolveUser(&agentv1.Pod{}, &agentv1.Container{Security: c.security}, imagespec.ImageConfig{User: c.image}, root)
		if (err != nil) != c.fails || err == nil && (u.UID != c.uid || u.GID != c.gid || !slices.Equal(u.Groups, c.groups)) {
			t.Errorf("%q %v: %+v, %v", c.image, c.security, u, err)
		}
	}
}

func TestCheckNonRoot(t *testing.T) {
	at := ` (pod: "web_default(u)", container: c)`
	cases := []struct {
		image string
		user  *int64
		want  string
	}{
		{"", nil, "container has runAsNonRoot and image will run as root" + at},
		{"0:5", nil, "container has runAsNonRoot and image will run as root" + at},
		{"app", nil, "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root" + at},
		{"1000", nil, ""},
		{"app", value(5), ""},
		{"1000", value(0), "container's runAsUser breaks non-root policy" + at},
	}
	pod := &agentv1.Pod{Name: "web", Namespace: "default", Uid: "u"}
	for _, c := range cases {
		container := &agentv1.Container{Name: "c", Security: &agentv1.SecurityContext{RunAsNonRoot: true, RunAsUser: c.user}}
		got := ""
		if err := CheckNonRoot(pod, container, imagespec.ImageConfig{User: c.image}); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q %v: %q", c.image, c.user, got)
		}
	}
}

func TestMounts(t *testing.T) {
	s, err := Make(Input{
		Pod: &agentv1.Pod{}, Container: &agentv1.Container{Command: []string{"x"}}, Shm: "/run/pod/shm",
		Mounts: []Mount{{Source: "/v/deep", Target: "/data/deep", ReadOnly: true}, {Source: "/v", Target: "/data"}, {Source: "/s", Target: "/dev/shm"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, m := range s.Mounts {
		if m.Type == "bind" {
			order = append(order, m.Destination+"="+m.Source+":"+strings.Join(m.Options, ","))
		}
	}
	if got := strings.Join(order, " "); got != "/data=/v:rbind,rprivate,rw /data/deep=/v/deep:rbind,rprivate,ro /dev/shm=/s:rbind,rprivate,rw" {
		t.Errorf("got %s", got)
	}
}

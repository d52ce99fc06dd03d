package agent

import (
	"testing"

	agentv1 "pacific/api/agent/v1"
)

func TestExcess(t *testing.T) {
	limited := func(name string, limit int64) *agentv1.Container {
		return &agentv1.Container{Name: name, Resources: &agentv1.Resources{EphemeralLimitBytes: limit}}
	}
	volume := &agentv1.Volume{Name: "v", Source: &agentv1.Volume_EmptyDir_{EmptyDir: &agentv1.Volume_EmptyDir{SizeLimitBytes: 1 << 30}}}
	one := &agentv1.Pod{Containers: []*agentv1.Container{limited("a", 2<<20), {Name: "b"}}, Volumes: []*agentv1.Volume{volume}}
	both := &agentv1.Pod{Containers: []*agentv1.Container{limited("a", 2<<20), limited("b", 1000)}, Volumes: []*agentv1.Volume{volume}}
	for _, test := range []struct {
		pod     *agentv1.Pod
		v, a, b uint64
		want    string
	}{
		{one, 1 << 30, 2 << 20, 1 << 40, ""},
		{one, 1<<30 + 1, 0, 0, `Usage of EmptyDir volume "v" exceeds the limit "1Gi". `},
		{one, 0, 2<<20 + 1, 0, `Container a exceeded its local ephemeral storage limit "2Mi". `},
		{both, 0, 0, 1001, `Container b exceeded its local ephemeral storage limit "1000". `},
		{both, 2 << 20, 1 << 20, 0, "Pod ephemeral local storage usage exceeds the total limit of containers 2098152. "},
	} {
		got := excess(test.pod, usage{volumes: map[string]uint64{"v": test.v}, containers: map[string]uint64{"a": test.a, "b": test.b}})
		if got != test.want {
			t.Errorf("v=%d a=%d b=%d: %q, want %q", test.v, test.a, test.b, got, test.want)
		}
	}
	if limitsStorage(&agentv1.Pod{Containers: []*agentv1.Container{{Name: "b"}}}) || !limitsStorage(one) {
		t.Error("which pods are watched")
	}
}

// A part whose beginning was lost with a connection does not become a set.
func TestPartsOfFiles(t *testing.T) {
	part := func(n int32, more bool, name string) *agentv1.Volume {
		return &agentv1.Volume{Name: "v", Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{Part: n, More: more, Files: []*agentv1.File{{Path: name}}}}}
	}
	s := &fileSet{}
	if s.join(part(1, false, "b")) {
		t.Error("a set without its beginning is complete")
	}
	s.join(part(0, true, "old"))
	s.join(part(0, true, "a"))
	if !s.join(part(1, false, "b")) || len(s.newest.GetFiles().GetFiles()) != 2 || s.newest.GetFiles().GetMore() {
		t.Errorf("the set is %v", s.newest)
	}
}

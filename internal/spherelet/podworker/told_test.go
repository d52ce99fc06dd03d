package podworker

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	agentv1 "pacific/api/agent/v1"
)

func TestTold(t *testing.T) {
	volume := &agentv1.Volume{Name: "v", Source: &agentv1.Volume_Files_{Files: &agentv1.Volume_Files{Files: []*agentv1.File{{Path: "f"}}}}}
	pod := &agentv1.Pod{Uid: "u", Volumes: []*agentv1.Volume{volume}, Containers: []*agentv1.Container{{Name: "a", ImageId: "i"}}}
	agent := told{}
	if started := agent.start(pod, 0); !proto.Equal(started, pod) {
		t.Errorf("handed over %v", started)
	}
	if u := agent.updates(pod, 0); u != nil {
		t.Errorf("what it has was sent again: %v", u)
	}
	pod.ActiveDeadlineSeconds = 7
	pod.Containers = []*agentv1.Container{{Name: "a", ImageId: ""}} // its new image is not there
	pod.EphemeralContainers = []*agentv1.Container{{Name: "e", ImageId: "j"}}
	u := agent.updates(pod, 10)
	if len(u) != 1 || u[0].Containers != nil || len(u[0].EphemeralContainers) != 1 || u[0].GetActiveDeadlineSeconds() != 7 {
		t.Errorf("updates %v", u)
	}
	pod.ActiveDeadlineSeconds = 6
	if u := agent.updates(pod, 10); u != nil {
		t.Errorf("a deadline that comes nearer was sent again: %v", u)
	}
}

func TestLargeFilesComeInParts(t *testing.T) {
	files := &agentv1.Volume_Files{}
	for _, name := range []string{"a", "b", "c", "d"} {
		files.Files = append(files.Files, &agentv1.File{Path: name, Data: bytes.Repeat([]byte(name), 900<<10)})
	}
	pod := &agentv1.Pod{Uid: "u", Volumes: []*agentv1.Volume{{Name: "v", Source: &agentv1.Volume_Files_{Files: files}}}}
	agent := told{}
	started := agent.start(pod, 0)
	if f := started.Volumes[0].GetFiles(); !f.More || len(f.Files) != 0 || len(files.Files) != 4 {
		t.Errorf("handed over with %d files, more %t", len(f.Files), f.More)
	}
	var part int32
	for _, u := range agent.updates(pod, 0) {
		if proto.Size(u) > maxMessage {
			t.Errorf("a message of %d bytes", proto.Size(u))
		}
		for _, v := range u.Volumes {
			if f := v.GetFiles(); f.Part != part || f.More != (part < 3) {
				t.Errorf("part %d, more %t", f.Part, f.More)
			}
			part++
		}
	}
	if part != 4 {
		t.Errorf("%d parts", part)
	}
}

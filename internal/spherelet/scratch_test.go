package spherelet

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
)

// What a pod leaves in a hostPath directory is there for a pod that starts when the first one's end is known, also after a restart
// of the spherelet.
func TestScratch(t *testing.T) {
	w := newWorld(t)
	w.start()
	scratch := func(p *v1.Pod) {
		p.Spec.RestartPolicy = v1.RestartPolicyNever
		p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: "data", VolumeSource: v1.VolumeSource{
			HostPath: &v1.HostPathVolumeSource{Path: "/tmp/job/a", Type: ptr.To(v1.HostPathDirectoryOrCreate)}}})
	}
	given := func(name string) string {
		t.Helper()
		w.await("pod is ready", func() bool { return w.ready(name) })
		var words []string
		for _, v := range w.agent(name).Pod().Volumes {
			for _, f := range v.GetScratch().GetFiles() {
				words = append(words, f.Path+"="+string(f.Data))
			}
		}
		return strings.Join(words, " ")
	}
	leave := func(pod, file string) {
		w.agent(pod).Leave("data", &agentv1.ReadScratchResponse{Changed: []*agentv1.File{{Path: file, Data: []byte(pod), Mode: 0o644}}})
	}
	w.pod("one", scratch)
	if got := given("one"); got != "" {
		t.Errorf("the first one has %s", got)
	}
	w.await("event", func() bool { return w.recorded("HostPathCopied") })
	w.pod("two", scratch)
	given("two")
	leave("one", "foo")
	leave("two", "bar")
	w.agent("one").Exit(1)
	w.await("failed", func() bool { return w.get("one").Status.Phase == v1.PodFailed })
	w.pod("three", scratch)
	if got := given("three"); got != "foo=one" {
		t.Errorf("the third one has %s", got)
	}
	w.remove("two", 1)
	w.await("gone", func() bool { return w.gone("two") })
	w.kill()
	w.start()
	w.pod("four", scratch)
	if got := given("four"); got != "bar=two foo=one" {
		t.Errorf("the fourth one has %s", got)
	}
}

package podfields

import (
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/kubernetes/pkg/apis/core"

	podapi "pacific/api/pod"
)

func podWith(node string, annotations map[string]string, conditions ...core.PodCondition) *core.Pod {
	return &core.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "p", Annotations: maps.Clone(annotations)},
		Spec:       core.PodSpec{NodeName: node},
		Status:     core.PodStatus{Conditions: conditions},
	}
}

// request of a user; a nil before creates the pod.
func request(userName, subresource string, before, after *core.Pod) admission.Attributes {
	operation, old := admission.Update, runtime.Object(before)
	if before == nil {
		operation, old = admission.Create, nil
	}
	return admission.NewAttributesRecord(after, old, core.Kind("Pod").WithVersion("v1"), "n", "p",
		core.Resource("pods").WithVersion("v1"), subresource, operation, nil, false, &user.DefaultInfo{Name: userName})
}

var all = map[string]string{
	podapi.AnnotationImages: "i", podapi.AnnotationImageReferences: "r", podapi.AnnotationNetwork: "n", podapi.AnnotationVMUUID: "v",
	"mine": "m",
}

func TestAnnotationsBelongToTheirWriters(t *testing.T) {
	const images, references, network, uuid = podapi.AnnotationImages, podapi.AnnotationImageReferences, podapi.AnnotationNetwork, podapi.AnnotationVMUUID
	for name, c := range map[string]struct {
		user          string
		before, after *core.Pod
		want          map[string]string
		restored      []string
	}{
		"created by a user": {"anna", nil, podWith("", all), map[string]string{"mine": "m"}, []string{images, network, references, uuid}},
		"created for a node by a user who names it": {"system:node:h", nil, podWith("h", all), map[string]string{"mine": "m"},
			[]string{images, network, references, uuid}},
		"edited by a user": {"anna", podWith("h", all), podWith("h", map[string]string{"mine": "new", network: "x"}),
			map[string]string{images: "i", references: "r", network: "n", uuid: "v", "mine": "new"}, []string{images, network, references, uuid}},
		"added by a user":             {"anna", podWith("h", nil), podWith("h", map[string]string{network: "x"}), map[string]string{}, []string{network}},
		"left alone by a user":        {"anna", podWith("h", all), podWith("h", all), all, nil},
		"all dropped by a user":       {"anna", podWith("h", map[string]string{uuid: "v"}), podWith("h", nil), map[string]string{uuid: "v"}, []string{uuid}},
		"written by the controllers":  {"pacific:ncp-controller", podWith("h", nil), podWith("h", map[string]string{network: "x"}), map[string]string{network: "x"}, nil},
		"of another controller":       {"pacific:ncp-controller", podWith("h", nil), podWith("h", map[string]string{images: "x"}), map[string]string{}, []string{images}},
		"images and references":       {"pacific:image-controller", podWith("h", nil), podWith("h", map[string]string{images: "x", references: "y"}), map[string]string{images: "x", references: "y"}, nil},
		"by the pod's spherelet":      {"system:node:h", podWith("h", nil), podWith("h", map[string]string{uuid: "x"}), map[string]string{uuid: "x"}, nil},
		"by another host's spherelet": {"system:node:g", podWith("h", nil), podWith("h", map[string]string{uuid: "x"}), map[string]string{}, []string{uuid}},
	} {
		t.Run(name, func(t *testing.T) {
			restored := Restore(c.before, c.after, c.user)
			slices.Sort(restored)
			slices.Sort(c.restored)
			if !slices.Equal(restored, c.restored) {
				t.Errorf("restored %v, want %v", restored, c.restored)
			}
			if !maps.Equal(c.after.Annotations, c.want) {
				t.Errorf("annotations %v, want %v", c.after.Annotations, c.want)
			}
		})
	}
}

func TestADataplaneWritesItsConditionOnItsHost(t *testing.T) {
	ready := core.PodCondition{Type: podapi.ConditionNetworkReady, Status: core.ConditionTrue}
	other := core.PodCondition{Type: core.PodReady, Status: core.ConditionTrue}
	for name, c := range map[string]struct {
		user          string
		before, after *core.Pod
		want          string
	}{
		"its condition":             {"pacific:dataplane:h", podWith("h", nil, other), podWith("h", nil, other, ready), ""},
		"another condition":         {"pacific:dataplane:h", podWith("h", nil), podWith("h", nil, other), "nothing else"},
		"an annotation":             {"pacific:dataplane:h", podWith("h", nil), podWith("h", map[string]string{"a": "b"}), "nothing else"},
		"a pod of another host":     {"pacific:dataplane:g", podWith("h", nil), podWith("h", nil, ready), "not on host g"},
		"a pod without a host":      {"pacific:dataplane:g", podWith("", nil), podWith("", nil, ready), "not on host g"},
		"a new pod":                 {"pacific:dataplane:h", nil, podWith("h", nil), "not on host h"},
		"somebody else's condition": {"system:node:h", podWith("h", nil), podWith("h", nil, other), ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := (&plugin{}).Validate(t.Context(), request(c.user, "status", c.before, c.after), nil)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestOtherRequestsAboutPodsPass(t *testing.T) {
	binding := admission.NewAttributesRecord(&core.Binding{}, nil, core.Kind("Binding").WithVersion("v1"), "n", "p",
		core.Resource("pods").WithVersion("v1"), "binding", admission.Create, nil, false, &user.DefaultInfo{Name: "system:kube-scheduler"})
	p := &plugin{}
	if err := p.Admit(t.Context(), binding, nil); err != nil {
		t.Error(err)
	}
	if err := p.Validate(t.Context(), binding, nil); err != nil {
		t.Error(err)
	}
}

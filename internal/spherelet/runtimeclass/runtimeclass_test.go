package runtimeclass

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestCheck(t *testing.T) {
	kube := fake.NewClientset(
		&nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "same"}, Handler: "crx"},
		&nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Handler: "runc"})
	name := func(s string) *string { return &s }
	for _, test := range []struct {
		class *string
		says  string
	}{
		{nil, ""}, {name("crx"), ""}, {name("same"), ""}, {name("other"), `no runtime for "runc" is configured`}, {name("none"), "not found"},
	} {
		err := Check(t.Context(), kube, &v1.Pod{Spec: v1.PodSpec{RuntimeClassName: test.class}})
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%v; want %q", err, test.says)
		}
	}
}

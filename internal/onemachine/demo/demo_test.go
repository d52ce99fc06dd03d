package demo

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/examples"
)

func TestTheManifestHasWhatTheDemoNeeds(t *testing.T) {
	objects, err := parse(strings.ReplaceAll(examples.Web, "IMAGE", "registry:5000/web:1"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, object := range objects {
		if _, known := resources[object.GroupVersionKind()]; !known || object.GetName() != name {
			t.Errorf("%s %s is not what the demo knows", object.GroupVersionKind(), object.GetName())
		}
		kinds[object.GetKind()] = true
		text, err := json.Marshal(object)
		if err != nil || strings.Contains(string(text), "IMAGE") {
			t.Errorf("%s has no image: %v", object.GetKind(), err)
		}
	}
	if !kinds["Deployment"] || !kinds["Service"] {
		t.Errorf("the manifest has %v", kinds)
	}
}

func TestStuckPodsSayWhy(t *testing.T) {
	pod := func(name string, status corev1.PodStatus) corev1.Pod {
		return corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: status}
	}
	waiting := corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}},
	}}}
	unschedulable := corev1.PodStatus{Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "no room",
	}}}
	running := corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
	got := strings.Join(stuck([]corev1.Pod{pod("c", running), pod("b", waiting), pod("a", unschedulable)}), "; ")
	if want := "a Unschedulable: no room; b ErrImagePull: no such image"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestAnswersAreCountedByPod(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/json" {
			t.Error("asks for no JSON")
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"pod": "p", "node": "host-2", "kernel": "6.1-crx"})
	}))
	defer server.Close()
	answers := map[string]*Answer{}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}}}
	for range 3 {
		if err := count(t.Context(), client, strings.TrimPrefix(server.URL, "http://"), answers); err != nil {
			t.Fatal(err)
		}
	}
	if got := answers["p"]; got == nil || *got != (Answer{Pod: "p", Host: "host-2", Kernel: "6.1-crx", Times: 3}) {
		t.Errorf("got %+v", got)
	}
}

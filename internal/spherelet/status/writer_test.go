package status

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// A field that the API server drops is sent once for every version of the object, not for ever.
func TestWriterGivesUpWhatIsDropped(t *testing.T) {
	pod := podOf("Always", nil, []string{"a"})
	pod.ResourceVersion = "1"
	wanted := *pod.Status.DeepCopy()
	wanted.Message = "one"
	client, patches := fake.NewClientset(), 0
	client.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		patches++
		return true, pod.DeepCopy(), nil
	})
	compute := func() (*v1.Pod, v1.PodStatus, map[string]string, bool) { return pod, wanted, nil, true }
	w := NewWriter(client, compute, func(updated *v1.Pod) { pod = updated })
	writes := func(want int) {
		t.Helper()
		for range 3 {
			if err := w.Write(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if patches != want {
			t.Errorf("%d patches, want %d", patches, want)
		}
	}
	writes(1)
	wanted.Message = "two"
	writes(2)
	pod.ResourceVersion = "2"
	writes(3)
}

func TestFractionsOfASecondAreNoChange(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	status := v1.PodStatus{Phase: v1.PodRunning, Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(now)}}}
	stored := status.DeepCopy()
	stored.Conditions[0].LastTransitionTime = metav1.NewTime(now.Truncate(time.Second))
	if patch, err := patchFor(&v1.Pod{Status: *stored}, status, nil); patch != nil || err != nil {
		t.Errorf("%s, %v", patch, err)
	}
}

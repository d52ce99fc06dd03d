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

// What another writer has left behind meanwhile is not taken for dropped.
func TestWriterRemovesWhatCameInBetween(t *testing.T) {
	pending := v1.PodCondition{Type: v1.PodResizePending, Status: v1.ConditionTrue}
	pod := podOf("Always", nil, []string{"a"})
	pod.Namespace, pod.Name = "default", "web"
	wanted := *pod.Status.DeepCopy()
	wanted.Message = "one"
	known := pod.DeepCopy()
	client := fake.NewClientset(pod)
	other := pod.DeepCopy()
	other.Status.Conditions = append(other.Status.Conditions, pending)
	if _, err := client.CoreV1().Pods("default").UpdateStatus(t.Context(), other, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	w := NewWriter(client, func() (*v1.Pod, v1.PodStatus, map[string]string, bool) { return known, wanted, nil, true },
		func(updated *v1.Pod) { known = updated })
	for range 2 {
		if err := w.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.poke) != 1 {
		t.Error("the second write is not asked for")
	}
	now, err := client.CoreV1().Pods("default").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || now.Status.Message != "one" || len(now.Status.Conditions) != 0 {
		t.Errorf("%+v %v", now.Status, err)
	}
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

// What happens before a pod runs is collected; what is waited for is not.
func TestWhatIsHeldBack(t *testing.T) {
	waiting := func(reason string) v1.PodStatus {
		return v1.PodStatus{Phase: v1.PodPending, ContainerStatuses: []v1.ContainerStatus{{Name: "a", State: v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason}}}}}
	}
	running := v1.PodStatus{Phase: v1.PodRunning, ContainerStatuses: []v1.ContainerStatus{{Name: "a", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}}}}
	initialized := waiting("PodInitializing")
	initialized.InitContainerStatuses = []v1.ContainerStatus{{Name: "i", State: v1.ContainerState{Terminated: &v1.ContainerStateTerminated{}}}}
	for _, c := range []struct {
		name         string
		written, now v1.PodStatus
		deleting     bool
		want         time.Duration
	}{
		{name: "first words", now: waiting("ContainerCreating"), want: collectFor},
		{name: "an address", written: waiting("ContainerCreating"), now: waiting("ContainerCreating"), want: collectFor},
		{name: "it runs", written: waiting("ContainerCreating"), now: running},
		{name: "it ran", written: running, now: waiting("ContainerCreating")},
		{name: "no image", now: waiting("ErrImagePull")},
		{name: "an image again", written: waiting("ErrImagePull"), now: waiting("ContainerCreating")},
		{name: "an init container has ended", written: waiting("PodInitializing"), now: initialized},
		{name: "refused", now: v1.PodStatus{Phase: v1.PodFailed, Reason: "OutOfcpu"}},
		{name: "deleted", now: waiting("ContainerCreating"), deleting: true},
	} {
		pod := &v1.Pod{Status: c.written}
		if c.deleting {
			pod.DeletionTimestamp = &metav1.Time{}
		}
		var collected collected
		now := time.Now()
		if got := collected.hold(pod, c.now, now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.want > 0 {
			if got := collected.hold(pod, c.now, now.Add(c.want/4)); got != c.want*3/4 {
				t.Errorf("%s: %s later", c.name, got)
			}
			if got := collected.hold(pod, c.now, now.Add(c.want)); got != 0 {
				t.Errorf("%s: %s at the end", c.name, got)
			}
		}
	}
}

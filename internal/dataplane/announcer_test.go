package dataplane

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"pacific/internal/dataplane/plan"
)

func TestAnnouncer(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", UID: "uid", ResourceVersion: "1"}}
	client := fake.NewClientset(pod)
	var patches atomic.Int32
	client.PrependReactor("patch", "pods", func(ktesting.Action) (bool, runtime.Object, error) {
		if patches.Add(1) == 1 {
			return true, nil, errors.New("the API server is away")
		}
		return false, nil, nil
	})
	informer := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
	if err := informer.GetStore().Add(pod); err != nil { // the store stays behind: the informer does not run
		t.Fatal(err)
	}
	a := newAnnouncer(client, informer)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()

	a.Announce([]*corev1.Pod{pod})
	waitFor(t, func() bool {
		got, err := client.CoreV1().Pods("default").Get(ctx, "web", metav1.GetOptions{})
		return err == nil && plan.Ready(got) && a.toldVersion("uid") == "1"
	})
	a.Announce([]*corev1.Pod{pod}) // seen again in the old version: already told
	if n := a.queue.Len(); n != 0 {
		t.Errorf("%d pods are announced twice", n)
	}
	newer := pod.DeepCopy()
	newer.ResourceVersion = "2" // somebody has taken the condition away
	if err := informer.GetStore().Add(newer); err != nil {
		t.Fatal(err)
	}
	before := patches.Load()
	a.Announce([]*corev1.Pod{newer})
	waitFor(t, func() bool { return patches.Load() == before+1 })
	cancel()
	<-ended
}

func (a *announcer) toldVersion(uid string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, version := range a.told {
		if string(id) == uid {
			return version
		}
	}
	return ""
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not so after 10 s")
		}
	}
}

package reconcile

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

func TestLoopTriesAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := New[string]("test")
	l.Add("a")
	var calls atomic.Int32
	err := l.Run(ctx, 3, func(_ context.Context, key string) error {
		if key != "a" {
			t.Errorf("key %q", key)
		}
		if calls.Add(1) < 3 {
			return errors.New("not yet")
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || calls.Load() != 3 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

// TestRunWaits: when Run has returned nothing works any more.
func TestRunWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := New[int]("test")
	l.Add(1)
	var ended atomic.Bool
	_ = l.Run(ctx, 1, func(ctx context.Context, _ int) error {
		cancel()
		<-ctx.Done()
		ended.Store(true)
		return ctx.Err()
	})
	if !ended.Load() {
		t.Error("Run returned while a sync was under way")
	}
}

func TestOnPods(t *testing.T) {
	var seen []PodKey
	handler := OnPods(func(pod *corev1.Pod) { seen = append(seen, KeyOf(pod)) })
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "p", UID: "u"}}
	handler.OnAdd(pod, true)
	handler.OnUpdate(nil, pod)
	handler.OnDelete(pod)
	handler.OnDelete(cache.DeletedFinalStateUnknown{Key: "n/p", Obj: pod})
	handler.OnDelete("nonsense")
	if len(seen) != 4 || seen[3] != (PodKey{"n", "p", "u"}) || seen[0].String() != "n/p" {
		t.Error(seen)
	}
}

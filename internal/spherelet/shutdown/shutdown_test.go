package shutdown

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(name string, priority int32, grace int64) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{Priority: &priority, TerminationGracePeriodSeconds: &grace}}
}

func TestPlan(t *testing.T) {
	first, last := Plan([]*v1.Pod{pod("slow", 0, 300), pod("critical", 2_000_000_000, 300), pod("quick", 5, 1)}, 30*time.Second, 10*time.Second)
	check := func(what string, got []Order, want map[string]int64) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %d pods, want %d", what, len(got), len(want))
		}
		for _, o := range got {
			if want[o.Pod.Name] != o.GraceSeconds {
				t.Errorf("%s: %s has %d s, want %d", what, o.Pod.Name, o.GraceSeconds, want[o.Pod.Name])
			}
		}
	}
	check("first", first, map[string]int64{"slow": 20, "quick": 1})
	check("last", last, map[string]int64{"critical": 10})
}

func TestOrderAndRestart(t *testing.T) {
	var mu sync.Mutex
	var ended []string
	done := make(chan struct{})
	file := filepath.Join(t.TempDir(), "shutdown")
	manager := func() *Manager {
		return &Manager{Total: 2 * time.Second, Critical: time.Second, File: file, BootID: "one", Changed: func() {},
			Pods: func() []*v1.Pod { return []*v1.Pod{pod("critical", 2_000_000_000, 1), pod("other", 0, 1)} },
			End: func(_ context.Context, o Order) error {
				mu.Lock()
				defer mu.Unlock()
				if ended = append(ended, o.Pod.Name); len(ended) == 2 {
					close(done)
				}
				return nil
			}}
	}
	m := manager()
	if err := m.Begin(t.Context()); err != nil || !m.Active() {
		t.Fatalf("active %v, %v", m.Active(), err)
	}
	<-done
	if ended[0] != "other" || ended[1] != "critical" {
		t.Errorf("ended in the order %v", ended)
	}

	again := manager()
	again.Pods = func() []*v1.Pod { return nil }
	if err := again.Resume(t.Context()); err != nil || !again.Active() {
		t.Errorf("after a restart of the spherelet: active %v, %v", again.Active(), err)
	}
	booted := manager()
	booted.BootID = "two"
	if err := booted.Resume(t.Context()); err != nil || booted.Active() {
		t.Errorf("after a boot: active %v, %v", booted.Active(), err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the note outlives the boot")
	}
	if err := again.Cancel(); err != nil || again.Active() {
		t.Errorf("called off: active %v, %v", again.Active(), err)
	}
}

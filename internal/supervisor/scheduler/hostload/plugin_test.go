package hostload

import (
	"context"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	nodeapi "pacific/api/node"
)

var now = time.Unix(10_000, 0)

func at(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }

func lease(host string, load *nodeapi.Load) *coordinationv1.Lease {
	l := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: host, Namespace: v1.NamespaceNodeLease}}
	if load != nil {
		l.Annotations = map[string]string{nodeapi.AnnotationLoad: load.String()}
	}
	return l
}

// host with two processors and 4 GiB.
func host(name string, pods ...*v1.Pod) fwk.NodeInfo {
	info := framework.NewNodeInfo(pods...)
	info.SetNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1.NodeStatus{Allocatable: v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("4Gi")}}})
	return info
}

func pod(cpu, memory string, started int) *v1.Pod {
	p := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}}
	if cpu != "" {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	}
	if started != 0 {
		start := metav1.NewTime(at(started))
		p.Status.StartTime = &start
	}
	return p
}

func TestScore(t *testing.T) {
	load := nodeapi.Load{CPUMillis: 1000, MemoryBytes: 1 << 30}
	for _, test := range []struct {
		name string
		host fwk.NodeInfo
		want int64
	}{
		{"what is measured", host("h"), (50 + 75) / 2},
		{"pods that were measured are in it", host("h", pod("1", "2Gi", -100)), (50 + 75) / 2},
		{"one that was not counts with its requests", host("h", pod("1", "1Gi", -1)), (0 + 50) / 2},
		{"one that does not run yet too", host("h", pod("500m", "1Gi", 0)), (25 + 50) / 2},
		{"one without requests counts something", host("h", pod("", "", 0)), (45 + 70) / 2},
		{"more than there is", host("h", pod("8", "8Gi", 0)), 0},
	} {
		if got := score(heard{load, now}, test.host); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestStaleLoadsAreIgnored(t *testing.T) {
	clock := now
	p := &plugin{newLoads(func() time.Time { return clock })}
	p.loads.OnAdd(lease("idle", &nodeapi.Load{}), true)
	p.loads.OnAdd(lease("busy", &nodeapi.Load{CPUMillis: 2000, MemoryBytes: 4 << 30}), true)
	p.loads.OnAdd(lease("silent", nil), true)
	expect := func(want ...int64) {
		t.Helper()
		var scores fwk.NodeScoreList
		for _, name := range []string{"idle", "busy", "silent"} {
			n, status := p.Score(context.Background(), nil, pod("", "", 0), host(name))
			if !status.IsSuccess() {
				t.Fatal(status)
			}
			scores = append(scores, fwk.NodeScore{Name: name, Score: n})
		}
		if status := p.NormalizeScore(context.Background(), nil, nil, scores); !status.IsSuccess() {
			t.Fatal(status)
		}
		for i := range want {
			if scores[i].Score != want[i] {
				t.Errorf("%v, want %v", scores, want)
			}
		}
	}
	expect(100, 0, 50)
	clock = clock.Add(fresh)
	p.loads.OnUpdate(nil, lease("busy", &nodeapi.Load{CPUMillis: 1000, MemoryBytes: 2 << 30}))
	expect(50, 50, 50) // of the others nothing fresh is known
	p.loads.OnUpdate(nil, lease("idle", &nodeapi.Load{}))
	expect(100, 50, 75)
	p.loads.OnDelete(cache.DeletedFinalStateUnknown{Obj: lease("idle", nil)})
	p.loads.OnUpdate(nil, lease("busy", nil))
	expect(0, 0, 0)
}

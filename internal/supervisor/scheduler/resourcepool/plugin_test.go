package resourcepool

import (
	"context"
	"fmt"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	namespaceapi "pacific/api/namespace"
	podapi "pacific/api/pod"
)

func namespace(name, limit string) *v1.Namespace {
	n := &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if limit != "" {
		n.Annotations = map[string]string{namespaceapi.AnnotationMemoryLimit: limit}
	}
	return n
}

// pod whose machine takes so many MiB, its overhead included.
func pod(namespace, host string, mib int64) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "p"}, Spec: v1.PodSpec{NodeName: host, Containers: []v1.Container{{Name: "c"}}}}
	p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceMemory: *resource.NewQuantity(mib<<20-podapi.MemoryOverhead, resource.BinarySI)}
	return p
}

func hosts(pods ...*v1.Pod) []fwk.NodeInfo {
	var list []fwk.NodeInfo
	for _, name := range []string{"host-1", "host-2"} {
		info := framework.NewNodeInfo()
		info.SetNode(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		for _, p := range pods {
			if p.Spec.NodeName == name {
				podInfo, _ := framework.NewPodInfo(p)
				info.AddPodInfo(podInfo)
			}
		}
		list = append(list, info)
	}
	return list
}

func with(namespaces []*v1.Namespace, hosts []fwk.NodeInfo) *plugin {
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, nil)
	for _, n := range namespaces {
		store.Add(n)
	}
	return &plugin{namespaces: corelisters.NewNamespaceLister(store), hosts: func() ([]fwk.NodeInfo, error) { return hosts, nil }}
}

func TestPreFilter(t *testing.T) {
	namespaces := []*v1.Namespace{namespace("a", "1000Mi"), namespace("b", ""), namespace("broken", "much")}
	tests := []struct {
		name   string
		others []*v1.Pod
		pod    *v1.Pod
		want   fwk.Code
		reason string
	}{
		{name: "no limit", others: []*v1.Pod{pod("b", "host-1", 90_000)}, pod: pod("b", "", 90_000), want: fwk.Skip},
		{name: "the last that has room", others: []*v1.Pod{pod("a", "host-1", 400), pod("a", "host-2", 500)}, pod: pod("a", "", 100), want: fwk.Success},
		{name: "over the limit on all hosts together", others: []*v1.Pod{pod("a", "host-1", 400), pod("a", "host-2", 500)}, pod: pod("a", "", 101),
			want: fwk.UnschedulableAndUnresolvable, reason: "the memory limit of namespace a is 1000Mi: its pods have 900Mi, this one needs 101Mi"},
		{name: "pods of others do not count", others: []*v1.Pod{pod("b", "host-1", 4000)}, pod: pod("a", "", 1000), want: fwk.Success},
		{name: "never", pod: pod("a", "", 1001), want: fwk.UnschedulableAndUnresolvable, reason: "raise the limit"},
		{name: "a limit that cannot be read", pod: pod("broken", "", 100), want: fwk.UnschedulableAndUnresolvable, reason: `"much"`},
		{name: "a namespace that is not there", pod: pod("gone", "", 100), want: fwk.Error, reason: "gone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, got := with(namespaces, hosts(test.others...)).PreFilter(context.Background(), nil, test.pod, nil)
			if got.Code() != test.want || !strings.Contains(got.Message(), test.reason) {
				t.Errorf("%v %q, want %v %q", got.Code(), got.Message(), test.want, test.reason)
			}
		})
	}
}

func TestThePodsOfANamespaceAreSpread(t *testing.T) {
	list := hosts(pod("a", "host-1", 50), pod("a", "host-1", 50), pod("a", "host-2", 50), pod("b", "host-2", 50), pod("b", "host-2", 50))
	for name, want := range map[string][]int64{"a": {0, 50}, "b": {100, 0}, "c": {100, 100}} {
		p := with(nil, list)
		var scores fwk.NodeScoreList
		for _, host := range list {
			n, status := p.Score(context.Background(), nil, pod(name, "", 50), host)
			if !status.IsSuccess() {
				t.Fatal(status)
			}
			scores = append(scores, fwk.NodeScore{Name: host.Node().Name, Score: n})
		}
		p.NormalizeScore(context.Background(), nil, nil, scores)
		if scores[0].Score != want[0] || scores[1].Score != want[1] {
			t.Errorf("namespace %s: %v, want %v", name, scores, want)
		}
	}
}

func TestHints(t *testing.T) {
	waiting := pod("a", "", 100)
	for _, test := range []struct {
		name          string
		before, after any
		want          fwk.QueueingHint
	}{
		{"one of the namespace has gone", pod("a", "host-1", 50), nil, fwk.Queue},
		{"one that had no host", pod("a", "", 50), nil, fwk.QueueSkip},
		{"one of another namespace", pod("b", "host-1", 50), nil, fwk.QueueSkip},
		{"one needs less", pod("a", "host-1", 100), pod("a", "host-1", 50), fwk.Queue},
		{"the waiting pod needs less", waiting, pod("a", "", 50), fwk.Queue},
	} {
		if got, err := afterPod(klog.Background(), waiting, test.before, test.after); got != test.want || err != nil {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
}

func TestAnotherLimitWakesTheWaitingPods(t *testing.T) {
	bound, other, waiting := pod("a", "host-1", 50), pod("b", "", 50), pod("a", "", 50)
	bound.Name = "bound"
	pods := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, p := range []*v1.Pod{bound, other, waiting} {
		pods.Add(p)
	}
	var woken []string
	w := &waker{pods: corelisters.NewPodLister(pods), activate: func(_ klog.Logger, pods map[string]*v1.Pod) {
		for name := range pods {
			woken = append(woken, name)
		}
	}, logger: klog.Background()}
	w.OnUpdate(namespace("a", "1Gi"), namespace("a", "1Gi"))
	if len(woken) > 0 {
		t.Errorf("nothing changed, woken: %v", woken)
	}
	w.OnUpdate(namespace("a", "1Gi"), namespace("a", "2Gi"))
	w.OnUpdate(namespace("c", "1Gi"), namespace("c", ""))
	if fmt.Sprint(woken) != "[a/p]" {
		t.Errorf("woken: %v", woken)
	}
}

func TestTheFrameworkTakesThePlugin(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	client := fake.NewClientset()
	handle, err := runtime.NewFramework(ctx, nil, nil, runtime.WithClientSet(client), runtime.WithInformerFactory(informers.NewSharedInformerFactory(client, 0)))
	if err != nil {
		t.Fatal(err)
	}
	made, err := New(ctx, nil, handle)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := made.(interface {
		fwk.PreFilterPlugin
		fwk.ScorePlugin
		fwk.EnqueueExtensions
	}); !ok {
		t.Errorf("%T is no plugin of all its points", made)
	}
}

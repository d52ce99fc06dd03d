package machinememory

import (
	"context"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	podapi "pacific/api/pod"
)

const mib = 1 << 20

func pod(request int64, overhead string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}}
	if request > 0 {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceMemory: *resource.NewQuantity(request, resource.BinarySI)}
	}
	if overhead != "" {
		p.Spec.Overhead = v1.ResourceList{v1.ResourceMemory: resource.MustParse(overhead)}
	}
	return p
}

func TestFilter(t *testing.T) {
	const overhead = podapi.MemoryOverhead
	best := pod(0, "")
	tests := []struct {
		name   string
		memory int64
		others []*v1.Pod
		pod    *v1.Pod
		want   fwk.Code
	}{
		{name: "the last one that fits", memory: 3 * overhead, others: []*v1.Pod{best, best}, pod: best, want: fwk.Success},
		{name: "one too many", memory: 3*overhead - 1, others: []*v1.Pod{best, best}, pod: best, want: fwk.Unschedulable},
		{name: "requests count too", memory: 3*overhead + 99*mib, others: []*v1.Pod{pod(100*mib, ""), best}, pod: best, want: fwk.Unschedulable},
		{name: "overhead of a class counts once", memory: overhead + 42*mib, others: []*v1.Pod{pod(10*mib, "32Mi")}, pod: best, want: fwk.Success},
		{name: "never", memory: overhead, pod: pod(1, ""), want: fwk.UnschedulableAndUnresolvable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			node := framework.NewNodeInfo(test.others...)
			node.SetNode(&v1.Node{Status: v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourceMemory: *resource.NewQuantity(test.memory, resource.BinarySI)}}})
			if got := (plugin{}).Filter(context.Background(), nil, test.pod, node); got.Code() != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestHints(t *testing.T) {
	placed := pod(0, "")
	placed.Spec.NodeName = "host-1"
	for before, want := range map[*v1.Pod]fwk.QueueingHint{placed: fwk.Queue, pod(0, ""): fwk.QueueSkip} {
		if got, err := afterPod(klog.Background(), pod(0, ""), before, nil); got != want || err != nil {
			t.Errorf("pod on %q gone: %v, %v", before.Spec.NodeName, got, err)
		}
	}
	for memory, want := range map[string]fwk.QueueingHint{"1Gi": fwk.Queue, "1Mi": fwk.QueueSkip} {
		node := &v1.Node{Status: v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourceMemory: resource.MustParse(memory)}}}
		if got, err := afterNode(klog.Background(), pod(0, ""), nil, node); got != want || err != nil {
			t.Errorf("node with %s: %v, %v", memory, got, err)
		}
	}
}

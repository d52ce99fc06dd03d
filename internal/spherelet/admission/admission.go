// Package admission decides whether a pod that was bound to this node can run here. A pod that cannot is refused aloud:
// it fails with a reason, and each offending field gets a message that names the alternative.
package admission

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresources "k8s.io/component-helpers/resource"
)

// ReasonNotSupported is the reason of a pod that asks for something that a virtual machine of its own cannot give.
const ReasonNotSupported = "NotSupported"

// Rejection is why a pod cannot run on this node.
type Rejection struct {
	Reason   string
	Problems []string // each names the field, the cause and the alternative
}

// Message for the pod's status.
func (r *Rejection) Message() string {
	return "Pod was rejected: " + strings.Join(r.Problems, "; ")
}

// Node is what pods are fitted into.
type Node struct {
	Allocatable v1.ResourceList
	// Others are the pods that hold resources of this node: admitted, and neither finished nor gone.
	Others []*v1.Pod
}

// Check returns nil when the pod can run on the node.
func Check(pod *v1.Pod, node Node) *Rejection {
	if problems := unsupported(&pod.Spec); len(problems) > 0 {
		return &Rejection{Reason: ReasonNotSupported, Problems: problems}
	}
	return fits(pod, node)
}

func fits(pod *v1.Pod, node Node) *Rejection {
	if limit, ok := node.Allocatable[v1.ResourcePods]; ok && int64(len(node.Others))+1 > limit.Value() {
		return outOf(v1.ResourcePods, *resource.NewQuantity(1, resource.DecimalSI), *resource.NewQuantity(int64(len(node.Others)), resource.DecimalSI), limit)
	}
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{})
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage} {
		want := requests[name]
		if want.IsZero() {
			continue
		}
		have := node.Allocatable[name]
		used := used(node.Others, name)
		left := have.DeepCopy()
		left.Sub(used)
		if want.Cmp(left) > 0 {
			return outOf(name, want, used, have)
		}
	}
	return nil
}

func used(pods []*v1.Pod, name v1.ResourceName) resource.Quantity {
	var sum resource.Quantity
	for _, p := range pods {
		sum.Add(podresources.PodRequests(p, podresources.PodResourcesOptions{})[name])
	}
	return sum
}

// outOf has the kubelet's reason and words, since the controllers and people look for them.
func outOf(name v1.ResourceName, requested, used, capacity resource.Quantity) *Rejection {
	number := func(q resource.Quantity) int64 {
		if name == v1.ResourceCPU {
			return q.MilliValue()
		}
		return q.Value()
	}
	return &Rejection{
		Reason: "OutOf" + string(name),
		Problems: []string{fmt.Sprintf("Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d",
			name, number(requested), number(used), number(capacity))},
	}
}

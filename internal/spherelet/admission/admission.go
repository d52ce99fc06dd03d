// Package admission decides whether a pod that was bound to this node can run here. A pod that cannot is refused aloud:
// it fails with a reason, and each offending field gets a message that names the alternative.
package admission

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	podresources "k8s.io/component-helpers/resource"
	corev1 "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	podapi "pacific/api/pod"
	"pacific/internal/spherelet/qos"
)

// Reasons of pods that are refused. All but the first are the kubelet's, since controllers and people look for them.
const (
	// ReasonNotSupported: it asks for something that a virtual machine of its own cannot give.
	ReasonNotSupported = "NotSupported"
	ReasonEvicted      = "Evicted"
	ReasonSysctl       = "SysctlForbidden"
	ReasonShutdown     = "NodeShutdown"
	ReasonAffinity     = "NodeAffinity"
	ReasonTaint        = "TaintToleration"
	ReasonPorts        = "NodePorts"
)

// Rejection is why a pod cannot run on this node.
type Rejection struct {
	Reason   string
	Problems []string // each names the field, the cause and the alternative
	// Short is set when only room is missing, which a critical pod is made.
	Short []Shortage
}

// Shortage of a resource: so much too little (thousandths for processors, else whole units).
type Shortage struct {
	Resource v1.ResourceName
	Missing  int64
}

// ByNode tells whether it is labels or taints of the node that the pod does not fit. They may have changed since they were read.
func (r *Rejection) ByNode() bool {
	return r != nil && (r.Reason == ReasonAffinity || r.Reason == ReasonTaint)
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
	// Object is the Node, for its labels and taints; nil while it is not known.
	Object *v1.Node
	// Pressures are the conditions of pressure that the node has.
	Pressures []v1.NodeConditionType
	// ShuttingDown: the host is about to go.
	ShuttingDown bool
	// UnsafeSysctls may be set beside the safe ones; one that ends in * is a prefix.
	UnsafeSysctls []string
	// IPs of the node, on which the ports in Reserved are not for pods.
	IPs      []string
	Reserved []Reserved
}

// Check returns nil when the pod can run on the node.
func Check(pod *v1.Pod, node Node) *Rejection {
	if problems := unsupported(&pod.Spec); len(problems) > 0 {
		return &Rejection{Reason: ReasonNotSupported, Problems: problems}
	}
	for _, check := range []func(*v1.Pod, Node) *Rejection{reserved, awake, calm, sysctls, placed, ports, fits} {
		if r := check(pod, node); r != nil {
			return r
		}
	}
	return nil
}

func awake(_ *v1.Pod, node Node) *Rejection {
	if !node.ShuttingDown {
		return nil
	}
	return &Rejection{Reason: ReasonShutdown, Problems: []string{"Pod was rejected as the node is shutting down."}}
}

// calm follows the kubelet's eviction manager: memory pressure keeps out those that guarantee nothing about their use,
// any other pressure all that are not critical.
func calm(pod *v1.Pod, node Node) *Rejection {
	if len(node.Pressures) == 0 || qos.Critical(pod) {
		return nil
	}
	if len(node.Pressures) == 1 && node.Pressures[0] == v1.NodeMemoryPressure {
		taint := &v1.Taint{Key: v1.TaintNodeMemoryPressure, Effect: v1.TaintEffectNoSchedule}
		if qos.Class(pod) != v1.PodQOSBestEffort || corev1.TolerationsTolerateTaint(klog.Background(), pod.Spec.Tolerations, taint, false) {
			return nil
		}
	}
	return &Rejection{Reason: ReasonEvicted, Problems: []string{fmt.Sprintf("The node had condition: %v. ", node.Pressures)}}
}

// placed: a pod may have been bound by hand, or the node changed since.
func placed(pod *v1.Pod, node Node) *Rejection {
	if node.Object == nil {
		return nil
	}
	if match, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node.Object); err != nil || !match {
		return &Rejection{Reason: ReasonAffinity, Problems: []string{"Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"}}
	}
	taint, found := corev1.FindMatchingUntoleratedTaint(klog.Background(), node.Object.Spec.Taints, pod.Spec.Tolerations,
		func(t *v1.Taint) bool { return t.Effect == v1.TaintEffectNoExecute }, false)
	if found {
		return &Rejection{Reason: ReasonTaint, Problems: []string{fmt.Sprintf("Predicate TaintToleration failed: node has the taint {%s: %s}, that the pod didn't tolerate", taint.Key, taint.Value)}}
	}
	return nil
}

func fits(pod *v1.Pod, node Node) *Rejection {
	out := &Rejection{}
	need := Needs(pod)
	names := make([]v1.ResourceName, 0, len(need))
	for name := range need {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		want := need[name]
		have, counted := node.Allocatable[name]
		if want == 0 || !counted && !native(name) {
			continue // a resource that the node does not have is its scheduler's business, as with the kubelet
		}
		capacity, used := amount(name, v1.ResourceList{name: have}), int64(0)
		for _, other := range node.Others {
			used += Needs(other)[name]
		}
		if used+want > capacity {
			if out.Reason == "" {
				out.Reason = "OutOf" + string(name)
			}
			out.Short = append(out.Short, Shortage{name, used + want - capacity})
			out.Problems = append(out.Problems, fmt.Sprintf("Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d",
				name, want, used, capacity))
		}
	}
	if out.Reason == "" {
		return nil
	}
	return out
}

// Needs is what a pod takes of its node: its requests, its machine's overhead, and its place.
func Needs(pod *v1.Pod) map[v1.ResourceName]int64 {
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{})
	need := map[v1.ResourceName]int64{v1.ResourcePods: 1}
	for name := range requests {
		need[name] = amount(name, requests)
	}
	need[v1.ResourceMemory] += podapi.UncountedOverhead(pod)
	return need
}

func amount(name v1.ResourceName, list v1.ResourceList) int64 {
	q := list[name]
	if name == v1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

// native resources are those of Kubernetes itself; a node without hugepages has none of them.
func native(name v1.ResourceName) bool {
	return !strings.Contains(string(name), "/")
}

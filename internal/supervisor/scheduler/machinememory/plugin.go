// Package machinememory is a plugin of the kube-scheduler that counts the overhead of pods' virtual machines.
//
// Upstream counts what stands in a pod's spec.overhead. Were it there for all pods, it would count against users'
// ResourceQuotas too, which upstream's conformance tests forbid; see docs/adr/0008-overhead.md.
package machinememory

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	podresources "k8s.io/component-helpers/resource"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	podapi "pacific/api/pod"
)

// Name of the plugin.
const Name = "MachineMemory"

// Reason of nodes that have too little memory for one more machine. It starts as upstream's does.
const Reason = "Insufficient memory for the pod's virtual machine"

type plugin struct{}

// New makes the plugin, a runtime.PluginFactory.
func New(context.Context, runtime.Object, fwk.Handle) (fwk.Plugin, error) { return plugin{}, nil }

// Name implements fwk.Plugin.
func (plugin) Name() string { return Name }

// Filter implements fwk.FilterPlugin. Requests and overheads of all pods together must fit into the node's memory.
func (plugin) Filter(_ context.Context, _ fwk.CycleState, pod *v1.Pod, node fwk.NodeInfo) *fwk.Status {
	used := node.GetRequested().GetMemory()
	for _, other := range node.GetPods() {
		used += podapi.UncountedOverhead(other.GetPod())
	}
	if want, have := Need(pod), node.GetAllocatable().GetMemory(); used+want > have {
		if want > have {
			return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, Reason)
		}
		return fwk.NewStatus(fwk.Unschedulable, Reason)
	}
	return nil
}

// Need is the memory that a pod takes of its node, in bytes.
func Need(pod *v1.Pod) int64 {
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{UseStatusResources: true})
	return requests.Memory().Value() + podapi.UncountedOverhead(pod)
}

// EventsToRegister implements fwk.EnqueueExtensions: what may give room to a pod that found none.
func (plugin) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{Event: fwk.ClusterEvent{Resource: fwk.Pod, ActionType: fwk.Delete | fwk.UpdatePodScaleDown}, QueueingHintFn: afterPod},
		{Event: fwk.ClusterEvent{Resource: fwk.Node, ActionType: fwk.Add | fwk.UpdateNodeAllocatable}, QueueingHintFn: afterNode},
	}, nil
}

// afterPod: a pod that was on no node leaves no room.
func afterPod(_ klog.Logger, _ *v1.Pod, before, after any) (fwk.QueueingHint, error) {
	gone, ok := before.(*v1.Pod)
	if !ok {
		return fwk.Queue, fmt.Errorf("event of a %T instead of a pod", before)
	}
	if after == nil && gone.Spec.NodeName == "" && gone.Status.NominatedNodeName == "" {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

// afterNode: only a node on which the pod alone fits is worth a try.
func afterNode(_ klog.Logger, pod *v1.Pod, _, after any) (fwk.QueueingHint, error) {
	node, ok := after.(*v1.Node)
	if !ok {
		return fwk.Queue, fmt.Errorf("event of a %T instead of a node", after)
	}
	if Need(pod) > node.Status.Allocatable.Memory().Value() {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

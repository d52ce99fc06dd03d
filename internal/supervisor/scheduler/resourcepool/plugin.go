// Package resourcepool is a plugin of the kube-scheduler that keeps pods within the resource pool of their namespace.
//
// The memory of a pool is divided among hosts as it is needed, so what counts here is the sum over all hosts: what the hosts
// guarantee to the namespace's pods, requests and overhead of their machines, may not exceed the limit. The CPU limit makes no
// pod wait: the hosts give each other the time.
package resourcepool

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"

	"pacific/internal/supervisor/scheduler/machinememory"
)

// Name of the plugin.
const Name = "ResourcePool"

type plugin struct {
	namespaces corelisters.NamespaceLister
	hosts      func() ([]fwk.NodeInfo, error)
}

// New makes the plugin, a runtime.PluginFactory.
func New(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	informers := handle.SharedInformerFactory().Core().V1()
	waker := &waker{pods: informers.Pods().Lister(), activate: handle.Activate, logger: klog.FromContext(ctx)}
	if _, err := informers.Namespaces().Informer().AddEventHandler(waker); err != nil {
		return nil, fmt.Errorf("watch the limits of namespaces: %w", err)
	}
	hosts := func() ([]fwk.NodeInfo, error) { return handle.SnapshotSharedLister().NodeInfos().List() }
	return &plugin{namespaces: informers.Namespaces().Lister(), hosts: hosts}, nil
}

// Name implements fwk.Plugin.
func (*plugin) Name() string { return Name }

// PreFilter implements fwk.PreFilterPlugin. A pod that finds no room waits; to preempt another would help on no host, as it is
// not the host that is full.
func (p *plugin) PreFilter(_ context.Context, _ fwk.CycleState, pod *v1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	namespace, err := p.namespaces.Get(pod.Namespace)
	if err != nil {
		return nil, fwk.AsStatus(fmt.Errorf("limits of namespace %s: %w", pod.Namespace, err))
	}
	limit, err := memoryLimit(namespace)
	if err != nil {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, err.Error())
	}
	if limit == 0 {
		return nil, fwk.NewStatus(fwk.Skip)
	}
	hosts, err := p.hosts()
	if err != nil {
		return nil, fwk.AsStatus(err)
	}
	if reason := lacks(pod.Namespace, limit, used(pod.Namespace, hosts), machinememory.Need(pod)); reason != "" {
		return nil, fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reason)
	}
	return nil, nil
}

// PreFilterExtensions implements fwk.PreFilterPlugin.
func (*plugin) PreFilterExtensions() fwk.PreFilterExtensions { return nil }

// used by the pods of the namespace on all hosts, those included that are about to be bound. A pod that is being deleted has its
// machine until it is gone.
func used(namespace string, hosts []fwk.NodeInfo) int64 {
	var sum int64
	for _, host := range hosts {
		for _, other := range host.GetPods() {
			if other.GetPod().Namespace == namespace {
				sum += machinememory.Need(other.GetPod())
			}
		}
	}
	return sum
}

// Score implements fwk.ScorePlugin: hosts with few pods of the namespace are liked, so that its pool is divided evenly and it
// loses little with a host.
func (p *plugin) Score(_ context.Context, _ fwk.CycleState, pod *v1.Pod, host fwk.NodeInfo) (int64, *fwk.Status) {
	var n int64
	for _, other := range host.GetPods() {
		if other.GetPod().Namespace == pod.Namespace && other.GetPod().DeletionTimestamp == nil {
			n++
		}
	}
	return n, nil
}

// ScoreExtensions implements fwk.ScorePlugin.
func (p *plugin) ScoreExtensions() fwk.ScoreExtensions { return p }

// NormalizeScore implements fwk.ScoreExtensions: the host with the fewest has all points, and each pod that another has more is
// worth its share of the most.
func (*plugin) NormalizeScore(_ context.Context, _ fwk.CycleState, _ *v1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	var most int64
	for _, s := range scores {
		most = max(most, s.Score)
	}
	for i := range scores {
		if most == 0 {
			scores[i].Score = fwk.MaxScore
			continue
		}
		scores[i].Score = fwk.MaxScore * (most - scores[i].Score) / most
	}
	return nil
}

// EventsToRegister implements fwk.EnqueueExtensions: what may give room to a pod that found none. Changes of limits are the
// waker's.
func (*plugin) EventsToRegister(context.Context) ([]fwk.ClusterEventWithHint, error) {
	return []fwk.ClusterEventWithHint{
		{Event: fwk.ClusterEvent{Resource: fwk.Pod, ActionType: fwk.Delete | fwk.UpdatePodScaleDown}, QueueingHintFn: afterPod},
	}, nil
}

// afterPod: a pod of the same namespace that had a host leaves room, or the waiting pod itself wants less.
func afterPod(_ klog.Logger, waiting *v1.Pod, before, after any) (fwk.QueueingHint, error) {
	changed, ok := before.(*v1.Pod)
	if !ok {
		return fwk.Queue, fmt.Errorf("event of a %T instead of a pod", before)
	}
	if changed.Namespace != waiting.Namespace {
		return fwk.QueueSkip, nil
	}
	if after == nil && changed.Spec.NodeName == "" && changed.Status.NominatedNodeName == "" {
		return fwk.QueueSkip, nil
	}
	return fwk.Queue, nil
}

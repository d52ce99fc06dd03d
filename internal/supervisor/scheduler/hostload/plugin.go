// Package hostload is a plugin of the kube-scheduler that likes hosts whose machines really use little.
//
// Upstream's plugins know what pods request. What they use is measured on the hosts and comes with the leases that spherelets
// renew anyway, so that nothing is polled; see docs/placement.md.
package hostload

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	podresources "k8s.io/component-helpers/resource"
	fwk "k8s.io/kube-scheduler/framework"
	schedutil "k8s.io/kubernetes/pkg/scheduler/util"
)

// Name of the plugin.
const Name = "HostLoad"

// lag is how much older than its arrival a load may be: a measurement a lease, and a lease a measurement.
const lag = 20 * time.Second

// unknown is no score; it becomes the mean of the known ones.
const unknown = -1

type plugin struct{ loads *loads }

// New makes the plugin, a runtime.PluginFactory.
func New(ctx context.Context, _ runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
	p := &plugin{loads: newLoads(time.Now)}
	factory := informers.NewSharedInformerFactoryWithOptions(handle.ClientSet(), 0, informers.WithNamespace(v1.NamespaceNodeLease))
	if _, err := factory.Coordination().V1().Leases().Informer().AddEventHandler(p.loads); err != nil {
		return nil, err
	}
	factory.Start(ctx.Done())
	return p, nil
}

// Name implements fwk.Plugin.
func (*plugin) Name() string { return Name }

// Score implements fwk.ScorePlugin.
func (p *plugin) Score(_ context.Context, _ fwk.CycleState, _ *v1.Pod, host fwk.NodeInfo) (int64, *fwk.Status) {
	load, known := p.loads.of(host.Node().Name)
	if !known {
		return unknown, nil
	}
	return score(load, host), nil
}

// score is the mean of the shares of processors and memory that are not used, of 100.
func score(load heard, host fwk.NodeInfo) int64 {
	cpu, memory := load.CPUMillis, load.MemoryBytes
	for _, pod := range host.GetPods() {
		if unmeasured(pod.GetPod(), load.at) {
			c, m := expected(pod.GetPod())
			cpu, memory = cpu+c, memory+m
		}
	}
	allocatable := host.GetAllocatable()
	return (left(allocatable.GetMilliCPU(), cpu) + left(allocatable.GetMemory(), memory)) / 2
}

func left(capacity, used int64) int64 {
	if capacity <= 0 || used >= capacity {
		return 0
	}
	return fwk.MaxScore * (capacity - max(0, used)) / capacity
}

// unmeasured tells whether the pod came when the load was measured already. Without this a burst of pods would go to one host.
func unmeasured(pod *v1.Pod, heard time.Time) bool {
	return pod.Status.StartTime == nil || pod.Status.StartTime.After(heard.Add(-lag))
}

// assumed is what upstream supposes of a container without requests.
var assumed = v1.ResourceList{
	v1.ResourceCPU:    *resource.NewMilliQuantity(schedutil.DefaultMilliCPURequest, resource.DecimalSI),
	v1.ResourceMemory: *resource.NewQuantity(schedutil.DefaultMemoryRequest, resource.BinarySI),
}

// expected use of a pod that was not measured yet.
func expected(pod *v1.Pod) (cpu, memory int64) {
	requests := podresources.PodRequests(pod, podresources.PodResourcesOptions{UseStatusResources: true, NonMissingContainerRequests: assumed})
	return requests.Cpu().MilliValue(), requests.Memory().Value()
}

// ScoreExtensions implements fwk.ScorePlugin.
func (p *plugin) ScoreExtensions() fwk.ScoreExtensions { return p }

// NormalizeScore implements fwk.ScoreExtensions: a host of which nothing is known is neither better nor worse than the others.
func (*plugin) NormalizeScore(_ context.Context, _ fwk.CycleState, _ *v1.Pod, scores fwk.NodeScoreList) *fwk.Status {
	var sum, known int64
	for _, s := range scores {
		if s.Score != unknown {
			sum, known = sum+s.Score, known+1
		}
	}
	for i := range scores {
		if scores[i].Score == unknown {
			scores[i].Score = sum / max(1, known)
		}
	}
	return nil
}

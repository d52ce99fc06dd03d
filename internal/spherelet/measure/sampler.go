package measure

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

const (
	// fresh is how long a sample is shown to others: a scrape of several endpoints looks once.
	fresh = time.Second
	// timeout bounds the wait for an agent that hangs.
	timeout = 5 * time.Second
	// rateWindow is the least time between two samples of which a rate is made, rateAge the most.
	rateWindow, rateAge = time.Second, 5 * time.Minute
)

// Agent measures the containers of a pod.
type Agent interface {
	Stats(context.Context, *agentv1.StatsRequest) (*agentv1.StatsResponse, error)
}

// Running is a pod with its agent.
type Running struct {
	Pod   *v1.Pod
	Agent Agent
}

// Sampler takes samples when it is asked.
type Sampler struct {
	NodeName string
	// Pods are those whose agents answer.
	Pods     func() []Running
	Host     func() *hostv1.GetHostResponse
	Machines hostv1.VirtualMachinesClient
	Images   hostv1.ImagesClient

	mu       sync.Mutex // who comes meanwhile waits for the same sample
	last     *Sample
	previous *Sample // at least rateWindow before last
	accounts map[types.UID]*account
	stats    *hostv1.GetStatsResponse // hostd's last
	machines counter
	daemon   counter
}

// Sample returns one that is not older than a second, with what trees of files take if storage is set.
func (s *Sampler) Sample(ctx context.Context, storage bool) *Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sample(ctx, storage)
}

// Pair returns a sample and one before it, for rates.
func (s *Sampler) Pair(ctx context.Context, storage bool) (previous, last *Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last = s.sample(ctx, storage)
	if s.previous == nil || last.At.Sub(s.previous.At) > rateAge {
		select {
		case <-time.After(rateWindow):
		case <-ctx.Done():
		}
		last = s.sample(ctx, storage)
	}
	return s.previous, last
}

func (s *Sampler) sample(ctx context.Context, storage bool) *Sample {
	if s.last != nil && time.Since(s.last.At) < fresh && (s.last.Storage || !storage) {
		return s.last
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	next := s.take(ctx, storage)
	if s.last != nil && next.At.Sub(s.last.At) >= rateWindow {
		s.previous = s.last
	}
	s.last = next
	return next
}

// take asks all agents at once, and hostd after them: what the host gave a machine is then not less than what its
// containers could use.
func (s *Sampler) take(ctx context.Context, storage bool) *Sample {
	out := &Sample{Storage: storage, Node: Node{Name: s.NodeName, Host: s.Host()}}
	pods := s.Pods()
	answers := make([]*agentv1.StatsResponse, len(pods))
	var asked sync.WaitGroup
	for i, p := range pods {
		asked.Go(func() {
			answer, err := p.Agent.Stats(ctx, &agentv1.StatsRequest{Storage: storage})
			if err != nil {
				klog.V(2).InfoS("Pod could not be measured", "pod", klog.KObj(p.Pod), "err", err)
				return
			}
			answers[i] = answer
		})
	}
	asked.Wait()
	s.askHost(ctx, &out.Node, storage)
	out.Node.System = readSystem()
	out.At = time.Now()
	for i, p := range pods {
		if answers[i] == nil {
			out.Failed++
			continue
		}
		out.Pods = append(out.Pods, Pod{Pod: p.Pod, Agent: answers[i]})
	}
	slices.SortFunc(out.Pods, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	s.settle(out, pods)
	return out
}

func (s *Sampler) askHost(ctx context.Context, node *Node, storage bool) {
	stats, err := s.Machines.GetStats(ctx, &hostv1.GetStatsRequest{Disks: storage})
	if err != nil {
		klog.V(2).InfoS("hostd does not measure machines", "err", err)
		node.Stats, node.Away = s.stats, true
		return
	}
	// What was used stays used when hostd is started anew.
	for of, usage := range map[*counter]*hostv1.Usage{&s.machines: stats.GetMachinesTotal(), &s.daemon: stats.GetDaemon()} {
		if usage != nil {
			usage.CpuNanoseconds = of.add(usage.CpuNanoseconds)
		}
	}
	s.stats, node.Stats = stats, stats
	if !storage {
		return
	}
	images, err := s.Images.List(ctx, &hostv1.ListImagesRequest{})
	if err != nil {
		klog.V(2).InfoS("hostd does not list images", "err", err)
		return
	}
	for _, image := range images.Images {
		node.ImageBytes += image.SizeBytes
	}
}

// settle finds each pod's machine and makes its containers' processor time honest.
func (s *Sampler) settle(out *Sample, running []Running) {
	machines := map[string]*hostv1.MachineStats{}
	for _, m := range out.Node.Stats.GetMachines() {
		machines[m.Id] = m
	}
	accounts := map[types.UID]*account{}
	for _, r := range running { // those that did not answer this time too
		accounts[r.Pod.UID] = cmp.Or(s.accounts[r.Pod.UID], &account{})
	}
	for i := range out.Pods {
		p := &out.Pods[i]
		p.Machine = machines[podapi.MachineID(string(p.UID))]
		seen := map[string]uint64{}
		for _, c := range p.Agent.Containers {
			seen[c.Name] = c.CpuUsageNanoseconds
		}
		p.CPU = accounts[p.UID].update(seen, p.Machine.GetUsage().GetCpuNanoseconds(), p.Machine != nil && !out.Node.Away)
	}
	s.accounts = accounts
}

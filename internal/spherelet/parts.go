package spherelet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/component-base/version"
	"k8s.io/klog/v2"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/pki"
	"pacific/internal/spherelet/agentlink"
	"pacific/internal/spherelet/eviction"
	"pacific/internal/spherelet/hostfiles"
	"pacific/internal/spherelet/hypervisor"
	"pacific/internal/spherelet/node"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/podworker"
	"pacific/internal/spherelet/references"
	"pacific/internal/spherelet/scratch"
	"pacific/internal/spherelet/server"
	"pacific/internal/spherelet/shutdown"
)

// parts of the daemon, in the order in which they start: node agent and view of hostd, informers, workers, endpoint.
type parts struct {
	options *Options
	kube    kubernetes.Interface
	host    *hypervisor.Client
	events  record.EventRecorder
	metrics *prometheus.Registry
	dial    agentlink.Dialer // nil for real machines

	agent   *node.Agent
	view    *hypervisor.View
	workers *podworker.Manager
	pods    cache.SharedIndexInformer

	eviction *eviction.Manager
	shutdown *shutdown.Manager
}

func (p *parts) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	machine, err := p.options.machine()
	if err != nil {
		return err
	}
	thresholds, err := p.options.Eviction.config()
	if err != nil {
		return err
	}
	keep, err := podworker.NewKeep(filepath.Join(p.options.StateDir, "pods"))
	if err != nil {
		return err
	}
	scratchDirs, err := scratch.Open(filepath.Join(p.options.StateDir, "scratch.json"))
	if err != nil {
		return err
	}
	tlsConfig, err := pki.ServerConfig(p.options.TLSCert, p.options.TLSKey, p.options.ClientCA)
	if err != nil {
		return err
	}
	// Who has no certificate may have a token.
	tlsConfig.ClientAuth = tls.VerifyClientCertIfGiven
	starts := podstarts.NewRecorder(p.metrics)
	p.agent = node.NewAgent(machine, p.kube, p.host.Host, p.host.Images)
	p.agent.Tell(p.events)
	p.view = hypervisor.NewView(p.host.Machines, func(id string, m *hostv1.VirtualMachine) { p.workers.SetMachine(id, m) })
	p.workers = podworker.NewManager(ctx, p.shared(ctx, keep, scratchDirs, starts))
	p.guard(thresholds)

	go p.agent.Run(ctx)
	go p.view.Run(ctx)
	p.startPods(ctx)

	endpoint := p.endpoint(starts)
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := endpoint.Serve(ctx, p.options.Listen, tlsConfig); err != nil {
			cancel(err)
		}
	}()
	// The next spherelet listens at the same address.
	defer func() { cancel(nil); <-served }()
	err = p.startWorkers(ctx)
	if err == nil {
		err = p.watchHost(ctx)
	}
	if err == nil {
		<-ctx.Done()
	}
	// Being asked to stop is no failure, even in the middle of the start.
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, context.Canceled):
		return nil
	default:
		return cause
	}
}

// endpoint of the spherelet.
func (p *parts) endpoint(starts *podstarts.Recorder) *server.Server {
	p.metrics.MustRegister(server.PodCounts(p.workers, p.options.NodeName))
	return &server.Server{
		Pods: p.workers, NodeName: p.options.NodeName, Starts: starts, Metrics: p.metrics, Healthy: p.agent.Healthy,
		Sampler: server.NewSampler(p.options.NodeName, p.workers, p.agent.Host, p.host),
		Access:  server.NewAccess(p.kube, p.options.NodeName),
		Version: version.Get().GitVersion,
		Config:  p.options.configuration(),
	}
}

// shared is what all workers need.
func (p *parts) shared(ctx context.Context, keep *podworker.Keep, scratchDirs *scratch.Store, starts *podstarts.Recorder) *podworker.Node {
	store := references.NewStore(p.kube, func(uid types.UID) { p.workers.ContentsChanged(uid) })
	files := hostfiles.New("/", func(path string) { p.workers.HostFileChanged(path) })
	go files.Run(ctx)
	tokens := references.NewTokens(p.kube)
	dial := p.dial
	if dial == nil {
		dial = agentlink.DialChannel
	}
	return &podworker.Node{
		Name:        p.options.NodeName,
		Kube:        p.kube,
		Host:        p.host,
		Machine:     func(id string) *hostv1.VirtualMachine { return p.view.Get(id) },
		Dial:        dial,
		Contents:    &podspec.Collector{Objects: store, Tokens: tokens, Services: p.services(ctx), Files: files, Scratch: scratchDirs},
		References:  store,
		Tokens:      tokens,
		Environment: p.environment(),
		HostCPUs:    func() uint32 { return p.agent.Host().GetCpus() },
		HostMemory:  func() uint64 { return p.agent.Host().GetMemoryBytes() },
		ParallelStarts: func() int {
			if n := p.options.ParallelStarts; n > 0 {
				return n
			}
			return int(p.agent.Host().GetCpus())
		},
		Admission: p.admission,
		Events:    p.events,
		Starts:    starts,
		Keep:      keep,
		Scratch:   scratchDirs,
		FreshNode: p.agent.Refresh,
	}
}

func (p *parts) environment() podspec.Environment {
	env := p.options.environment()
	env.Memory = func() int64 { return int64(p.agent.Host().GetMemoryBytes()) }
	return env
}

// services follows the Services of all namespaces, for the environment of containers.
func (p *parts) services(ctx context.Context) podspec.Services {
	factory := informers.NewSharedInformerFactory(p.kube, 0)
	lister, synced := factory.Core().V1().Services().Lister(), factory.Core().V1().Services().Informer().HasSynced
	factory.Start(ctx.Done())
	return func(ctx context.Context) ([]*v1.Service, error) {
		if !cache.WaitForCacheSync(ctx.Done(), synced) {
			return nil, fmt.Errorf("services have not been read: %w", ctx.Err())
		}
		return lister.List(labels.Everything())
	}
}

// startPods follows the pods of this node.
func (p *parts) startPods(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(p.kube, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", p.options.NodeName).String()
	}))
	p.pods = factory.Core().V1().Pods().Informer()
	p.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { p.workers.SetPod(o.(*v1.Pod)) },
		UpdateFunc: func(before, after any) {
			// A pod that was deleted and made again under its name while nobody watched comes as an update.
			if old := before.(*v1.Pod); old.UID != after.(*v1.Pod).UID {
				p.workers.PodGone(old.UID)
			}
			p.workers.SetPod(after.(*v1.Pod))
		},
		DeleteFunc: func(o any) {
			if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			if pod, ok := o.(*v1.Pod); ok {
				p.workers.PodGone(pod.UID)
			}
		},
	})
	factory.Start(ctx.Done())
}

// startWorkers waits until both sides are completely known; only then can be said which machines have no pod.
func (p *parts) startWorkers(ctx context.Context) error {
	if err := waitLoudly(ctx, "hostd's machines", p.view.Synced()); err != nil {
		return err
	}
	if err := waitLoudly(ctx, "hostd's description of the host", p.agent.Known()); err != nil {
		return err
	}
	if err := waitLoudly(ctx, "the API server's pods", p.pods.HasSyncedChecker().Done()); err != nil {
		return err
	}
	var pods []*v1.Pod
	for _, o := range p.pods.GetStore().List() {
		pods = append(pods, o.(*v1.Pod))
	}
	p.workers.Start(pods, p.view.List())
	// What came between the list and the start, and what went.
	for _, o := range p.pods.GetStore().List() {
		p.workers.SetPod(o.(*v1.Pod))
	}
	p.workers.Retain(func(pod *v1.Pod) bool {
		o, exists, err := p.pods.GetStore().Get(pod)
		return err != nil || exists && o.(*v1.Pod).UID == pod.UID
	})
	klog.InfoS("Pod workers started", "pods", len(pods))
	return nil
}

func waitLoudly(ctx context.Context, what string, done <-chan struct{}) error {
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(syncPatience):
			klog.InfoS("Still waiting", "for", what)
		}
	}
}

// Package service runs kube-proxy's nftables proxier in this process: the distributed load balancer for Services, in the
// prerouting of every host, so that guests need nothing for it.
package service

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/kubernetes/pkg/proxy"
	kubeproxyconfig "k8s.io/kubernetes/pkg/proxy/apis/config"
	"k8s.io/kubernetes/pkg/proxy/config"
	"k8s.io/kubernetes/pkg/proxy/metrics"
	"k8s.io/kubernetes/pkg/proxy/nftables"
	proxyutil "k8s.io/kubernetes/pkg/proxy/util"

	"pacific/internal/dataplane/plan"
)

const (
	syncPeriod = 30 * time.Second // retries after a failure
	// minSyncPeriod bounds how often the tables are written; an endpoint that vanishes is out of them this soon.
	minSyncPeriod = 100 * time.Millisecond
	resyncPeriod  = 15 * time.Minute
	// masqueradeBit is the bit of the packet mark that kube-proxy too takes by default.
	masqueradeBit = 14
)

// Proxy serves the cluster's Services on this host.
type Proxy struct {
	Client kubernetes.Interface
	Host   plan.Host
	// HasNode is false in the control plane, which has no Node object and so no topology.
	HasNode bool

	endpoints hostEndpoints
}

// OnHostNetwork says which pods on this host's network have which addresses, by UID: Services lead to those.
func (p *Proxy) OnHostNetwork(machines map[types.UID][]netip.Addr) { p.endpoints.setMachines(machines) }

// Run serves until ctx is done and leaves the tables behind: connections go on. The proxier's own loop cannot be stopped;
// the process is expected to end after Run.
func (p *Proxy) Run(ctx context.Context) error {
	metrics.RegisterMetrics(kubeproxyconfig.ProxyModeNFTables)
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: p.Client.EventsV1()})
	broadcaster.StartRecordingToSink(ctx.Done())
	defer broadcaster.Shutdown()

	proxier, err := p.proxier(ctx, broadcaster.NewRecorder(scheme.Scheme, "dataplane"))
	if err != nil {
		return fmt.Errorf("start the service proxy: %w", err)
	}
	p.feed(ctx, proxier)
	go proxier.SyncLoop()
	<-ctx.Done()
	return ctx.Err()
}

// proxier serves IPv6 too unless the kernel has it switched off.
func (p *Proxy) proxier(ctx context.Context, recorder events.EventRecorder) (proxy.Provider, error) {
	// What does not come from a port of this host, other than from this host itself, has another way back than through
	// this host, so it is masqueraded.
	local := proxyutil.NewDetectLocalByInterfaceNamePrefix(plan.TapPrefix)
	addresses := []string{netip.PrefixFrom(p.Host.Address, p.Host.Address.BitLen()).String()}
	family, other := corev1.IPv4Protocol, corev1.IPv6Protocol
	if p.Host.Address.Is6() {
		family, other = other, family
	}
	nodeIP := net.IP(p.Host.Address.AsSlice())
	if !ipv6Enabled() {
		return nftables.NewProxier(ctx, family, syncPeriod, minSyncPeriod, false, masqueradeBit, local,
			p.Host.Name, nodeIP, recorder, nil, addresses, false)
	}
	return nftables.NewDualStackProxier(ctx, syncPeriod, minSyncPeriod, false, masqueradeBit,
		map[corev1.IPFamily]proxyutil.LocalTrafficDetector{family: local, other: local}, p.Host.Name,
		map[corev1.IPFamily]net.IP{family: nodeIP, other: loopback(other)}, recorder, nil, addresses, false)
}

// feed connects the informers to the proxier. Handlers are registered before the informers start: the sources report only
// changes.
func (p *Proxy) feed(ctx context.Context, proxier proxy.Provider) {
	services := p.informers(func(options *metav1.ListOptions) {
		options.LabelSelector = "!service.kubernetes.io/service-proxy-name"
		options.FieldSelector = fields.OneTermNotEqualSelector("spec.clusterIP", corev1.ClusterIPNone).String()
	})
	slices := p.informers(func(options *metav1.ListOptions) {
		options.LabelSelector = "!" + corev1.IsHeadlessService
	})
	all := p.informers(nil)

	serviceConfig := config.NewServiceConfig(ctx, services.Core().V1().Services(), resyncPeriod)
	serviceConfig.RegisterEventHandler(proxier)
	sliceConfig := config.NewEndpointSliceConfig(ctx, slices.Discovery().V1().EndpointSlices(), resyncPeriod)
	p.endpoints.attach(proxier)
	sliceConfig.RegisterEventHandler(&p.endpoints)
	cidrConfig := config.NewServiceCIDRConfig(ctx, all.Networking().V1().ServiceCIDRs(), resyncPeriod)
	cidrConfig.RegisterEventHandler(proxier)
	go serviceConfig.Run(ctx.Done())
	go sliceConfig.Run(ctx.Done())
	go cidrConfig.Run(ctx.Done())
	for _, factory := range []informers.SharedInformerFactory{services, slices, all} {
		factory.Start(ctx.Done())
	}
	if p.HasNode {
		node := p.informers(func(options *metav1.ListOptions) {
			options.FieldSelector = fields.OneTermEqualSelector("metadata.name", p.Host.Name).String()
		})
		topologyConfig := config.NewNodeTopologyConfig(ctx, node.Core().V1().Nodes(), resyncPeriod)
		topologyConfig.RegisterEventHandler(proxier)
		node.Start(ctx.Done())
	}
}

func (p *Proxy) informers(tweak func(*metav1.ListOptions)) informers.SharedInformerFactory {
	return informers.NewSharedInformerFactoryWithOptions(p.Client, resyncPeriod, informers.WithTweakListOptions(
		func(options *metav1.ListOptions) {
			if tweak != nil {
				tweak(options)
			}
		}))
}

func ipv6Enabled() bool {
	disabled, err := os.ReadFile("/proc/sys/net/ipv6/conf/all/disable_ipv6")
	return err == nil && strings.TrimSpace(string(disabled)) == "0"
}

func loopback(family corev1.IPFamily) net.IP {
	if family == corev1.IPv6Protocol {
		return net.IPv6loopback
	}
	return net.IPv4(127, 0, 0, 1)
}

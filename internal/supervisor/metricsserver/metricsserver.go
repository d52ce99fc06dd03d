// Package metricsserver serves metrics.k8s.io, the API behind kubectl top and HorizontalPodAutoscalers, inside the
// Supervisor's process: upstream's metrics-server with another clock. Upstream asks every node every 15 seconds for ever;
// here nodes are asked when somebody reads, so that idle pods are left in peace.
package metricsserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/metrics-server/pkg/api"
	"sigs.k8s.io/metrics-server/pkg/scraper"
	"sigs.k8s.io/metrics-server/pkg/scraper/client"
	"sigs.k8s.io/metrics-server/pkg/scraper/client/resource"
	"sigs.k8s.io/metrics-server/pkg/storage"

	"pacific/internal/supervisor/pki"
)

const (
	// Port of the API; users reach it through the kube-apiserver.
	Port = 4443
	// scrapeTimeout bounds the wait for one node. A reader waits for the slowest.
	scrapeTimeout = 10 * time.Second
	// shutdownTimeout is as short as the kube-apiserver's.
	shutdownTimeout = 2 * time.Second
)

// Config is what the server is told.
type Config struct {
	Layout pki.Layout
	// Address to listen on, which the kube-apiserver and the pods reach.
	Address net.IP
}

// Server is the component.
type Server struct{ config Config }

// New returns the component.
func New(config Config) *Server { return &Server{config: config} }

// Name of the component.
func (*Server) Name() string { return "metrics-server" }

// Run serves until ctx is cancelled. It is ready as soon as it listens, so that the API is never registered without
// somebody behind it; that it may read nodes and pods it learns from the bootstrap objects, which are applied meanwhile.
func (s *Server) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", s.config.Layout.Kubeconfig(pki.MetricsServer))
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	known, err := newInventory(config)
	if err != nil {
		return err
	}
	spherelets, err := resource.NewForConfig(s.spherelets())
	if err != nil {
		return fmt.Errorf("client of the spherelets: %w", err)
	}
	server, err := s.apiServer()
	if err != nil {
		return err
	}
	points := &onDemand{
		Storage: storage.NewStorage(longWindow),
		scraper: scraper.NewScraper(known.nodeLister, spherelets, scrapeTimeout, nil),
		sleep:   sleep, now: time.Now, ctx: ctx,
	}
	if err := api.Install(points, known.podLister, known.nodeLister, server, nil); err != nil {
		return fmt.Errorf("install the API: %w", err)
	}
	known.start(ctx)
	if err := server.AddReadyzChecks(known); err != nil {
		return err
	}
	if err := server.AddPostStartHook("pacific-ready", func(genericapiserver.PostStartHookContext) error { ready(); return nil }); err != nil {
		return err
	}
	return server.PrepareRun().RunWithContext(ctx)
}

// spherelets are asked with the server's own certificate, at the address and port of their Node.
func (s *Server) spherelets() *client.KubeletClientConfig {
	files := s.config.Layout
	return &client.KubeletClientConfig{
		Client: rest.Config{TLSClientConfig: rest.TLSClientConfig{
			CAFile: files.Cert(pki.CA), CertFile: files.Cert(pki.MetricsServer), KeyFile: files.Key(pki.MetricsServer),
		}},
		AddressTypePriority: []corev1.NodeAddressType{corev1.NodeInternalIP},
		Scheme:              "https", DefaultPort: 10250, UseNodeStatusPort: true,
	}
}

func (s *Server) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(s.config.Address.String(), strconv.Itoa(Port)))
	if err != nil {
		return nil, fmt.Errorf("%w: end what else listens there", err)
	}
	return listener, nil
}

// inventory is what the cluster has to be measured: nodes, and the running pods, of which only the names matter.
type inventory struct {
	nodes      informers.SharedInformerFactory
	pods       metadatainformer.SharedInformerFactory
	nodeLister nodeLister
	podLister  cache.GenericLister
	synced     []cache.InformerSynced
}

func newInventory(config *rest.Config) (*inventory, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "pacific-metrics-server"
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	i := &inventory{nodes: informers.NewSharedInformerFactory(kube, 0)}
	i.pods = metadatainformer.NewFilteredSharedInformerFactory(meta, 0, metav1.NamespaceAll, func(o *metav1.ListOptions) {
		o.FieldSelector = "status.phase=Running"
	})
	nodes, pods := i.nodes.Core().V1().Nodes(), i.pods.ForResource(corev1.SchemeGroupVersion.WithResource("pods"))
	i.nodeLister, i.podLister = nodes.Lister(), pods.Lister()
	i.synced = []cache.InformerSynced{nodes.Informer().HasSynced, pods.Informer().HasSynced}
	return i, nil
}

func (i *inventory) start(ctx context.Context) {
	i.nodes.Start(ctx.Done())
	i.pods.Start(ctx.Done())
}

// Name implements healthz.HealthChecker.
func (*inventory) Name() string { return "nodes-and-pods-known" }

// Check implements healthz.HealthChecker.
func (i *inventory) Check(*http.Request) error {
	for _, synced := range i.synced {
		if !synced() {
			return errors.New("nodes and pods are not known yet")
		}
	}
	return nil
}

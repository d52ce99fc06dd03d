// Package spherelet puts the parts of the daemon together.
package spherelet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/pflag"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"

	"pacific/internal/pki"
	"pacific/internal/spherelet/eviction"
	"pacific/internal/spherelet/hypervisor"
	"pacific/internal/spherelet/node"
	"pacific/internal/spherelet/podspec"
)

// Options are the daemon's flags; see docs/architecture.md.
type Options struct {
	NodeName      string
	NodeIP        string
	Kubeconfig    string
	StateDir      string
	Listen        string
	TLSCert       string
	TLSKey        string
	ClientCA      string
	Hostd         string
	HostdCA       string
	HostdCert     string
	HostdKey      string
	ClusterDNS    []string
	ClusterDomain string
	MaxPods       int64
	// ParallelStarts of pods, 0 for as many as the host has processors.
	ParallelStarts int
	Resolver       string

	Eviction              EvictionOptions
	ShutdownGrace         time.Duration
	ShutdownGraceCritical time.Duration
	UnsafeSysctls         []string
}

// AddFlags defines the flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.NodeName, "node-name", "", "name of the Node of this host")
	flags.StringVar(&o.NodeIP, "node-ip", "", "address of the Node")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "how to reach the API server")
	flags.StringVar(&o.StateDir, "state-dir", "/var/lib/pacific/spherelet", "directory of what outlives a restart: state and logs of ended pods")
	flags.StringVar(&o.Listen, "listen", "0.0.0.0:10250", "address of the endpoint for the API server")
	flags.StringVar(&o.TLSCert, "tls-cert", "", "serving certificate")
	flags.StringVar(&o.TLSKey, "tls-key", "", "key of the serving certificate")
	flags.StringVar(&o.ClientCA, "client-ca", "", "authority of the API server's client certificate")
	flags.StringVar(&o.Hostd, "hostd", "", "address of hostd of this host")
	flags.StringVar(&o.HostdCA, "hostd-ca", "", "authority of hostd's certificate")
	flags.StringVar(&o.HostdCert, "hostd-cert", "", "client certificate for hostd")
	flags.StringVar(&o.HostdKey, "hostd-key", "", "key of the client certificate for hostd")
	flags.StringSliceVar(&o.ClusterDNS, "cluster-dns", nil, "addresses of the cluster's DNS service")
	flags.StringVar(&o.ClusterDomain, "cluster-domain", "cluster.local", "domain of the cluster's Services")
	flags.IntVar(&o.ParallelStarts, "max-parallel-pod-starts", 0, "how many pods start at once, from their machine to their first container; 0 for as many as the host has processors")
	flags.Int64Var(&o.MaxPods, "max-pods", 110, "how many pods the Node takes")
	o.addGuardFlags(flags)
	flags.StringVar(&o.Resolver, "resolv-conf", "/etc/resolv.conf", "resolver configuration for pods of dnsPolicy Default")
}

func (o *Options) addGuardFlags(flags *pflag.FlagSet) {
	e := &o.Eviction
	flags.StringVar(&e.Hard, "eviction-hard", eviction.Defaults, "thresholds below which pods are evicted at once")
	flags.StringVar(&e.Soft, "eviction-soft", "", "thresholds below which pods are evicted after a grace period")
	flags.StringVar(&e.SoftGrace, "eviction-soft-grace-period", "", "grace periods of the soft thresholds, such as memory.available=1m30s")
	flags.DurationVar(&e.Transition, "eviction-pressure-transition-period", 5*time.Minute, "how long the node's conditions of pressure stay after their end")
	flags.Int64Var(&e.MaxGraceSeconds, "eviction-max-pod-grace-period", 0, "most seconds that a pod gets to end when it goes for a soft threshold")
	flags.DurationVar(&o.ShutdownGrace, "shutdown-grace-period", 30*time.Second, "time that all pods have when the host shuts down (SIGPWR)")
	flags.DurationVar(&o.ShutdownGraceCritical, "shutdown-grace-period-critical-pods", 10*time.Second, "part of --shutdown-grace-period that is for critical pods")
	flags.StringSliceVar(&o.UnsafeSysctls, "allowed-unsafe-sysctls", nil, "sysctls that pods may set beside the safe ones; one that ends in * is a prefix")
}

func (o *Options) validate() error {
	var problems []error
	for flag, value := range map[string]string{"node-name": o.NodeName, "node-ip": o.NodeIP, "kubeconfig": o.Kubeconfig, "tls-cert": o.TLSCert,
		"tls-key": o.TLSKey, "client-ca": o.ClientCA, "hostd": o.Hostd, "hostd-ca": o.HostdCA, "hostd-cert": o.HostdCert, "hostd-key": o.HostdKey} {
		if value == "" {
			problems = append(problems, fmt.Errorf("--%s is missing", flag))
		}
	}
	if o.NodeIP != "" && net.ParseIP(o.NodeIP) == nil {
		problems = append(problems, fmt.Errorf("--node-ip %q is not an IP address", o.NodeIP))
	}
	if o.ParallelStarts < 0 {
		problems = append(problems, fmt.Errorf("--max-parallel-pod-starts %d is no number of pods; 0 is one for each processor", o.ParallelStarts))
	}
	if o.ShutdownGraceCritical > o.ShutdownGrace {
		problems = append(problems, fmt.Errorf("--shutdown-grace-period-critical-pods %s is more than --shutdown-grace-period %s, of which it is a part",
			o.ShutdownGraceCritical, o.ShutdownGrace))
	}
	if _, err := o.Eviction.config(); err != nil {
		problems = append(problems, fmt.Errorf("eviction: %w", err))
	}
	return errors.Join(problems...)
}

// Run makes the host a node until ctx ends.
func Run(ctx context.Context, o *Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", o.Kubeconfig, err)
	}
	hostTLS, err := pki.ClientConfig(o.HostdCA, o.HostdCert, o.HostdKey)
	if err != nil {
		return err
	}
	host, err := hypervisor.Connect(o.Hostd, hostTLS)
	if err != nil {
		return fmt.Errorf("hostd at %s: %w", o.Hostd, err)
	}
	defer host.Close()
	kube, err := kubeClient(config)
	if err != nil {
		return err
	}
	recorder, stop := events(ctx, kube, o.NodeName)
	defer stop()
	p := &parts{options: o, kube: kube, host: host, events: recorder, metrics: registry()}
	return p.run(ctx)
}

const (
	kubeQPS   = 200
	kubeBurst = 400
)

// kubeClient has limits that a burst of pods does not reach: each pod's start needs some ten calls, and a call that waits
// for its turn delays a start.
func kubeClient(config *rest.Config) (*kubernetes.Clientset, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = kubeQPS, kubeBurst
	config.UserAgent = "spherelet"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	return kubernetes.NewForConfig(config)
}

func events(ctx context.Context, kube kubernetes.Interface, nodeName string) (record.EventRecorder, func()) {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedv1.EventSinkImpl{Interface: kube.CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, v1.EventSource{Component: "spherelet", Host: nodeName}), broadcaster.Shutdown
}

func registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func (o *Options) machine() (node.Machine, error) {
	_, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return node.Machine{}, fmt.Errorf("--listen %q: %w", o.Listen, err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		return node.Machine{}, fmt.Errorf("--listen %q: %w", o.Listen, err)
	}
	return node.Machine{Name: o.NodeName, IPs: []string{o.NodeIP}, Port: int32(number), MaxPods: o.MaxPods, System: node.System()}, nil
}

func (o *Options) environment() podspec.Environment {
	env := podspec.Environment{NodeName: o.NodeName, HostIPs: []string{o.NodeIP}, ClusterDNS: o.ClusterDNS, ClusterDomain: o.ClusterDomain}
	if file, err := os.Open(o.Resolver); err == nil {
		env.Resolver = podspec.ParseResolver(file)
		file.Close()
	}
	env.SeccompProfile = func(path string) ([]byte, error) {
		root, err := os.OpenRoot(filepath.Join(o.StateDir, "seccomp"))
		if err != nil {
			return nil, err
		}
		defer root.Close()
		return root.ReadFile(path)
	}
	return env
}

// syncPatience is how long the view of hostd may take before it is said aloud that the start waits for it.
const syncPatience = 10 * time.Second

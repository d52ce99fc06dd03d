// Package podspec makes the agent's Pod of a Kubernetes Pod: everything that the agent cannot look up by itself is
// resolved here (environment, volumes' files, probes' ports, DNS, security contexts), as the kubelet would.
//
// It works in two steps. [Collector.Collect] does all the I/O and can run while the machine boots; [Build] is pure.
package podspec

import (
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/sizing"
)

// Environment is what the node adds to a pod.
type Environment struct {
	NodeName      string
	HostIPs       []string
	ClusterDNS    []string
	ClusterDomain string
	// Resolver is the host's own, for pods of dnsPolicy Default and the searches of ClusterFirst.
	Resolver Resolver
	// Memory of the node in bytes, to which requests are related when the kernel chooses what to end.
	Memory func() int64
	// SeccompProfile reads a profile of type Localhost.
	SeccompProfile func(path string) ([]byte, error)
}

// Image is the image of a container as the host has it.
type Image struct {
	// Reference as the pod named it when the image was resolved.
	Reference string
	Digest    string
	LUN       int32
	// Filesystem of the disk.
	Filesystem string
	// Config is the OCI image configuration.
	Config []byte
}

// Input is all that Build works on.
type Input struct {
	Pod       *v1.Pod
	Contents  *Contents
	Network   podapi.Network
	Size      sizing.Size
	Images    map[string]Image // by the keys of podapi.Images
	Ephemeral *agentv1.Disk
	Previous  *agentv1.Termination
	Now       time.Time
}

// VolumeError says that a volume cannot be made.
type VolumeError struct {
	Volume string
	Err    error
}

func (e *VolumeError) Error() string {
	return fmt.Sprintf("MountVolume.SetUp failed for volume %q : %v", e.Volume, e.Err)
}
func (e *VolumeError) Unwrap() error { return e.Err }

// ContainerError says that a container's configuration cannot be made.
type ContainerError struct {
	Container string
	Err       error
}

func (e *ContainerError) Error() string { return e.Err.Error() }
func (e *ContainerError) Unwrap() error { return e.Err }

// Problems tells what keeps the pod from being configured with these contents: VolumeErrors and ContainerErrors. It
// needs neither images nor network, so that the user sees a missing Secret before the machine is up.
func Problems(pod *v1.Pod, contents *Contents, env Environment) []error {
	var problems []error
	if _, err := volumes(Input{Pod: pod, Contents: contents}, env); err != nil {
		problems = append(problems, flatten(err)...)
	}
	if _, err := nodeHosts(Input{Pod: pod, Contents: contents}); err != nil {
		problems = append(problems, err)
	}
	for _, c := range allContainers(pod) {
		b := builder{in: Input{Pod: pod, Contents: contents}, env: env}
		if _, err := b.container(c); err != nil {
			problems = append(problems, &ContainerError{c.Name, err})
		}
	}
	return problems
}

func flatten(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

// Build makes the agent's pod. A container whose configuration cannot be made carries the cause in ConfigError; a volume
// that cannot be made is an error.
func Build(in Input, env Environment) (*agentv1.Pod, error) {
	b := builder{in: in, env: env}
	pod := in.Pod
	vols, err := volumes(in, env)
	if err != nil {
		return nil, err
	}
	hosts, err := nodeHosts(in)
	if err != nil {
		return nil, err
	}
	hostname, domain := Hostname(pod, env)
	out := &agentv1.Pod{
		Uid:                     string(pod.UID),
		Namespace:               pod.Namespace,
		Name:                    pod.Name,
		Hostname:                hostname,
		Domain:                  domain,
		Network:                 network(in.Network),
		Dns:                     DNS(pod, env),
		RestartPolicy:           restartPolicy(string(pod.Spec.RestartPolicy)),
		Volumes:                 vols,
		ShareProcessNamespace:   ptr.Deref(pod.Spec.ShareProcessNamespace, false),
		ActiveDeadlineSeconds:   activeDeadline(pod, in.Now),
		Ephemeral:               in.Ephemeral,
		TerminationGraceSeconds: ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, 30),
		Previous:                in.Previous,
		NodeHosts:               hosts,
	}
	for _, alias := range pod.Spec.HostAliases {
		out.HostAliases = append(out.HostAliases, &agentv1.HostAlias{Ip: alias.IP, Hostnames: alias.Hostnames})
	}
	if s := pod.Spec.SecurityContext; s != nil {
		out.FsGroup = s.FSGroup
		for _, sysctl := range s.Sysctls {
			if out.Sysctls == nil {
				out.Sysctls = map[string]string{}
			}
			out.Sysctls[sysctl.Name] = sysctl.Value
		}
	}
	for i := range pod.Spec.InitContainers {
		out.InitContainers = append(out.InitContainers, b.orError(&pod.Spec.InitContainers[i]))
	}
	for i := range pod.Spec.Containers {
		out.Containers = append(out.Containers, b.orError(&pod.Spec.Containers[i]))
	}
	out.EphemeralContainers = b.ephemeral()
	return out, nil
}

// ephemeral makes those of the ephemeral containers whose image is there; the pod does not wait for the others.
func (b *builder) ephemeral() []*agentv1.Container {
	var list []*agentv1.Container
	for i := range b.in.Pod.Spec.EphemeralContainers {
		e := &b.in.Pod.Spec.EphemeralContainers[i]
		if b.in.Images[e.Name].Reference != e.Image {
			continue
		}
		c := b.orError(asContainer(e))
		c.TargetContainer = e.TargetContainerName
		list = append(list, c)
	}
	return list
}

// activeDeadline is what is left of it, since the pod's machine may be a later one.
func activeDeadline(pod *v1.Pod, now time.Time) int64 {
	if pod.Spec.ActiveDeadlineSeconds == nil {
		return 0
	}
	left := *pod.Spec.ActiveDeadlineSeconds
	if pod.Status.StartTime != nil {
		left -= int64(now.Sub(pod.Status.StartTime.Time) / time.Second)
	}
	return max(1, left)
}

func network(n podapi.Network) *agentv1.Network {
	return &agentv1.Network{Addresses: n.Addresses, Mac: n.MAC, Gateways: n.Gateways, GatewayMac: n.GatewayMAC, Mtu: uint32(n.MTU)}
}

func restartPolicy(policy string) agentv1.RestartPolicy {
	switch policy {
	case "Never":
		return agentv1.RestartPolicy_NEVER
	case "OnFailure":
		return agentv1.RestartPolicy_ON_FAILURE
	default:
		return agentv1.RestartPolicy_ALWAYS
	}
}

// maxHostname is the kernel's limit (HOST_NAME_MAX) less one, as the kubelet has it.
const maxHostname = 63

// Hostname returns the pod's host name and its domain, which is empty without a subdomain. On the host's network it is the
// host's.
func Hostname(pod *v1.Pod, env Environment) (hostname, domain string) {
	if pod.Spec.HostNetwork {
		return env.NodeName, ""
	}
	if o := pod.Spec.HostnameOverride; o != nil {
		return *o, ""
	}
	hostname = pod.Spec.Hostname
	if hostname == "" {
		hostname = pod.Name
	}
	if len(hostname) > maxHostname {
		hostname = strings.TrimRight(hostname[:maxHostname], "-.")
	}
	if pod.Spec.Subdomain != "" {
		domain = fmt.Sprintf("%s.%s.svc.%s", pod.Spec.Subdomain, pod.Namespace, env.ClusterDomain)
		if ptr.Deref(pod.Spec.SetHostnameAsFQDN, false) {
			hostname += "." + domain
		}
	}
	return hostname, domain
}

package plan

import (
	"cmp"
	"encoding/json"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// TapPrefix begins the names of all interfaces that hostd makes for machines.
const TapPrefix = "tap"

var tapName = regexp.MustCompile("^" + TapPrefix + "[0-9a-f]{12}$")

// IsPort tells whether an interface of this name is a machine's port, as hostv1.TapName makes them. Other software too
// has interfaces whose names begin with "tap".
func IsPort(name string) bool { return tapName.MatchString(name) }

// Port is a pod's port whose interface exists.
type Port struct {
	Pod       *corev1.Pod
	Interface string
	MAC       string
	Addresses []netip.Addr
	HostPorts []HostPort
	// HostNetwork: towards others the pod has the host's address.
	HostNetwork bool
}

// HostPort is a port of the host that leads to one of the pod.
type HostPort struct {
	Host      netip.Addr // only this address of the host; any if not valid
	Protocol  string     // tcp, udp or sctp
	Port      int32      // of the host
	Container int32      // of the pod
}

// Ports are the ports of the pods of this host for which there are an address and an interface; what is missing comes
// later and brings an event. An address that the host has no prefix for is not routed here, and one that two pods claim
// belongs to the older one: an annotation can be edited by whoever may edit the pod. Sorted by interface.
func Ports(prefixes []netip.Prefix, pods []*corev1.Pod, interfaces map[string]bool) []Port {
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.UID, b.UID))
	})
	taken := map[netip.Addr]bool{}
	var ports []Port
	for _, pod := range pods {
		port, ok := portOf(pod)
		if !ok || !interfaces[port.Interface] || !free(prefixes, taken, port.Addresses) {
			continue
		}
		for _, addr := range port.Addresses {
			taken[addr] = true
		}
		ports = append(ports, port)
	}
	slices.SortFunc(ports, func(a, b Port) int { return cmp.Compare(a.Interface, b.Interface) })
	return ports
}

// portOf reads the pod's annotation. A pod in a terminal phase has given its address up.
func portOf(pod *corev1.Pod) (Port, bool) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return Port{}, false
	}
	var network podapi.Network
	if json.Unmarshal([]byte(pod.Annotations[podapi.AnnotationNetwork]), &network) != nil {
		return Port{}, false
	}
	mac, err := net.ParseMAC(network.MAC)
	if err != nil || len(network.Addresses) == 0 {
		return Port{}, false
	}
	port := Port{Pod: pod, Interface: hostv1.TapName(podapi.MachineID(string(pod.UID))), MAC: mac.String(),
		HostPorts: hostPorts(pod), HostNetwork: pod.Spec.HostNetwork}
	for _, address := range network.Addresses {
		prefix, err := netip.ParsePrefix(address)
		if err != nil {
			return Port{}, false
		}
		port.Addresses = append(port.Addresses, prefix.Addr())
	}
	return port, true
}

func hostPorts(pod *corev1.Pod) []HostPort {
	var out []HostPort
	for _, p := range podapi.HostPorts(pod) {
		host, _ := netip.ParseAddr(p.HostIP)
		if host.IsUnspecified() {
			host = netip.Addr{}
		}
		out = append(out, HostPort{host, strings.ToLower(cmp.Or(string(p.Protocol), "tcp")), p.HostPort, p.ContainerPort})
	}
	return out
}

func free(prefixes []netip.Prefix, taken map[netip.Addr]bool, addrs []netip.Addr) bool {
	for _, addr := range addrs {
		contains := func(prefix netip.Prefix) bool { return prefix.Contains(addr) }
		if taken[addr] || !slices.ContainsFunc(prefixes, contains) {
			return false
		}
	}
	return true
}

// OnHostNetwork are the addresses of the machines of the pods that have the host's address towards others, by the pods' UIDs.
func OnHostNetwork(ports []Port) map[types.UID][]netip.Addr {
	machines := map[types.UID][]netip.Addr{}
	for _, port := range ports {
		if port.HostNetwork {
			machines[port.Pod.UID] = port.Addresses
		}
	}
	return machines
}

// AddPorts adds the routes and neighbours of the ports to the state.
func (s State) AddPorts(self Host, ports []Port) {
	for _, port := range ports {
		for _, addr := range port.Addresses {
			route := Route{Destination: netip.PrefixFrom(addr, addr.BitLen()), Interface: port.Interface}
			if addr.Is4() == self.Address.Is4() {
				route.Source = self.Address
			}
			s.Routes[route] = true
			s.Neighbours[Neighbour{port.Interface, addr, port.MAC}] = true
		}
	}
}

// Ready tells whether the pod's condition NetworkReady is True.
func Ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == podapi.ConditionNetworkReady && c.Status == corev1.ConditionTrue
	})
}

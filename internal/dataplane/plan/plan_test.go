package plan

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// cluster is what the golden scripts build up. Their commands:
//
//	node NAME address=IP prefix=CIDR[,CIDR]   adds or replaces a Node
//	control-plane address=IP[,IP]             sets the endpoints of the Service kubernetes
//	pod NAME address=IP[,IP] [age=N] [phase=PHASE] [host-network] [no-tap]
//	remove NAME...                            removes nodes and pods
//	desired HOST                              prints the desired state of a host
//	apply HOST                                prints what changes since the last apply of the host
type cluster struct {
	nodes        map[string]*corev1.Node
	pods         map[string]*corev1.Pod
	taps         map[string]bool
	controlPlane []*discoveryv1.EndpointSlice
	applied      map[string]State
}

func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		c := cluster{map[string]*corev1.Node{}, map[string]*corev1.Pod{}, map[string]bool{}, nil, map[string]State{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "node":
				c.node(d)
			case "control-plane":
				c.setControlPlane(d)
			case "pod":
				c.pod(d)
			case "remove":
				for _, arg := range d.CmdArgs {
					delete(c.nodes, arg.Key)
					delete(c.pods, arg.Key)
				}
			case "desired":
				return c.desired(d.CmdArgs[0].String()).String()
			case "apply":
				return c.apply(d.CmdArgs[0].String())
			default:
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			return ""
		})
	})
}

func (c *cluster) node(d *datadriven.TestData) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: d.CmdArgs[0].Key}}
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "address":
			node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: arg.Vals[0]}}
		case "prefix":
			node.Spec.PodCIDRs = arg.Vals
		}
	}
	c.nodes[node.Name] = node
}

func (c *cluster) setControlPlane(d *datadriven.TestData) {
	slice := &discoveryv1.EndpointSlice{}
	for _, address := range d.CmdArgs[0].Vals {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	c.controlPlane = []*discoveryv1.EndpointSlice{slice}
}

func (c *cluster) pod(d *datadriven.TestData) {
	name := d.CmdArgs[0].Key
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: map[string]string{}}}
	tap := true
	for _, arg := range d.CmdArgs[1:] {
		switch arg.Key {
		case "address":
			var addresses []string
			for _, address := range arg.Vals {
				addr := netip.MustParseAddr(address)
				addresses = append(addresses, fmt.Sprintf("%q", netip.PrefixFrom(addr, addr.BitLen())))
			}
			pod.Annotations[podapi.AnnotationNetwork] = fmt.Sprintf(`{"addresses":[%s],"mac":%q}`,
				strings.Join(addresses, ","), hostv1.MAC(name))
		case "age":
			age, _ := time.ParseDuration(arg.Vals[0])
			pod.CreationTimestamp = metav1.NewTime(time.Unix(1e9, 0).Add(-age))
		case "phase":
			pod.Status.Phase = corev1.PodPhase(arg.Vals[0])
		case "host-network":
			pod.Spec.HostNetwork = true
		case "no-tap":
			tap = false
		}
	}
	c.pods[name] = pod
	c.taps[hostv1.TapName(name)] = tap
}

func (c *cluster) desired(name string) State {
	host := Host{Name: name}
	var nodes []*corev1.Node
	var prefixes []netip.Prefix
	for _, node := range c.nodes {
		nodes = append(nodes, node)
		if node.Name == name {
			host.Address, prefixes = InternalIP(node), PodPrefixes(node)
		}
	}
	if !host.Address.IsValid() { // the control plane goes by its address
		host.Address = netip.MustParseAddr(name)
	}
	var pods []*corev1.Pod
	for _, pod := range c.pods {
		pods = append(pods, pod)
	}
	state := Overlay(host, prefixes, Peers(host, nodes, c.controlPlane))
	state.AddPorts(host, Ports(prefixes, pods, c.taps))
	return state
}

func (c *cluster) apply(name string) string {
	want := c.desired(name)
	changes := Diff(c.applied[name], want)
	c.applied[name] = want
	var out strings.Builder
	for _, part := range []struct {
		verb  string
		state State
	}{{"set", changes.Set}, {"remove", changes.Remove}} {
		for line := range strings.Lines(part.state.String()) {
			fmt.Fprintf(&out, "%s %s", part.verb, line)
		}
	}
	return out.String()
}

func TestOnHostNetwork(t *testing.T) {
	own := Port{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "own"}}, Addresses: []netip.Addr{netip.MustParseAddr("10.244.1.5")}}
	host := Port{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: "host"}}, Addresses: []netip.Addr{netip.MustParseAddr("10.244.1.6")}, HostNetwork: true}
	if got := fmt.Sprint(OnHostNetwork([]Port{own, host})); got != "map[host:[10.244.1.6]]" {
		t.Error(got)
	}
}

func TestIsPort(t *testing.T) {
	for name, want := range map[string]bool{
		hostv1.TapName("any"): true, "tap0": false, "tap0123456789abc": false, "tap0123456789AB": false, OverlayInterface: false,
	} {
		if IsPort(name) != want {
			t.Errorf("IsPort(%s) = %v", name, !want)
		}
	}
}

func TestSameNode(t *testing.T) {
	node := func(change func(*corev1.Node)) *corev1.Node {
		n := &corev1.Node{Spec: corev1.NodeSpec{PodCIDRs: []string{"10.244.1.0/24"}}}
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.77.0.11"}}
		change(n)
		return n
	}
	base := node(func(*corev1.Node) {})
	if !SameNode(base, node(func(n *corev1.Node) { n.ResourceVersion, n.Labels = "2", map[string]string{"a": "b"} })) {
		t.Error("a heartbeat makes work")
	}
	if SameNode(base, node(func(n *corev1.Node) { n.Status.Addresses[0].Address = "10.77.0.12" })) {
		t.Error("another address makes no work")
	}
	if SameNode(base, node(func(n *corev1.Node) { n.Spec.PodCIDRs = nil })) {
		t.Error("other prefixes make no work")
	}
}

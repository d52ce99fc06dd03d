//go:build e2e

package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/dataplane/plan"
)

// register makes the host's Node, waits for its prefix, and keeps its Lease fresh: the part of the spherelet.
func (h *host) register() {
	l := h.lab
	l.t.Helper()
	nodes := l.client.CoreV1().Nodes()
	node, err := nodes.Create(l.ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: h.name}}, metav1.CreateOptions{})
	check(l.t, err)
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: h.address}}
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Test",
		LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}}
	status, err := json.Marshal(map[string]any{"status": map[string]any{
		"addresses": node.Status.Addresses, "conditions": node.Status.Conditions,
	}})
	check(l.t, err)
	_, err = nodes.Patch(l.ctx, h.name, types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
	check(l.t, err)
	go h.beat()
	l.waitFor("the prefix of "+h.name, func() bool {
		node, err := nodes.Get(l.ctx, h.name, metav1.GetOptions{})
		return err == nil && node.Spec.PodCIDR != ""
	})
}

func (h *host) beat() {
	leases := h.lab.client.CoordinationV1().Leases("kube-node-lease")
	for h.lab.ctx.Err() == nil {
		now, seconds := metav1.NewMicroTime(time.Now()), int32(40)
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: h.name}, Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &h.name, LeaseDurationSeconds: &seconds, RenewTime: &now,
		}}
		if current, err := leases.Get(h.lab.ctx, h.name, metav1.GetOptions{}); err == nil {
			current.Spec = lease.Spec
			leases.Update(h.lab.ctx, current, metav1.UpdateOptions{})
		} else {
			leases.Create(h.lab.ctx, lease, metav1.CreateOptions{})
		}
		time.Sleep(5 * time.Second)
	}
}

// guest is a pod with a namespace in the place of its machine.
type guest struct {
	lab     *lab
	host    *host
	name    string
	uid     types.UID
	network podapi.Network
	ip      string
	status  string // the address in its status, where that is not ip
	wire    *wire
}

// createPod makes the pod object only. With ports it is one on its host's network.
func (l *lab) createPod(h *host, name string, labels map[string]string, ports ...corev1.ContainerPort) *guest {
	l.t.Helper()
	g := &guest{lab: l, host: h, name: name}
	pod, err := l.client.CoreV1().Pods("default").Create(l.ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: corev1.PodSpec{
			NodeName:                      h.name,
			TerminationGracePeriodSeconds: new(int64),
			Containers:                    []corev1.Container{{Name: "main", Image: "none", Ports: ports}},
			HostNetwork:                   len(ports) > 0,
		},
	}, metav1.CreateOptions{})
	check(l.t, err)
	if g.uid = pod.UID; pod.Spec.HostNetwork {
		g.status = h.address
	}
	return g
}

func (g *guest) get() *corev1.Pod {
	pod, err := g.lab.client.CoreV1().Pods("default").Get(g.lab.ctx, g.name, metav1.GetOptions{})
	if err != nil {
		return &corev1.Pod{}
	}
	return pod
}

func (g *guest) waitForAddress() {
	g.lab.t.Helper()
	g.lab.waitFor("the address of "+g.name, func() bool {
		return json.Unmarshal([]byte(g.get().Annotations[podapi.AnnotationNetwork]), &g.network) == nil
	})
	g.ip = netip.MustParsePrefix(g.network.Addresses[0]).Addr().String()
}

func (g *guest) tap() string { return hostv1.TapName(podapi.MachineID(string(g.uid))) }

// plugIn makes the port as hostd and the agent do: the host's end a tap, the guest's end as eth0 with the
// address, an on-link gateway and its permanent neighbour entry.
func (g *guest) plugIn() {
	l := g.lab
	l.t.Helper()
	g.wire = l.newWire(g.host.name, g.tap(), g.name, "eth0")
	l.in(g.host.name, fmt.Sprintf("ip link set %s address %s", g.tap(), hostv1.GatewayMAC))
	l.in(g.host.name, "ip link set "+g.tap()+" up")
	for _, command := range []string{
		fmt.Sprintf("ip link set eth0 mtu %d up", g.network.MTU),
		"ip addr add " + g.network.Addresses[0] + " dev eth0",
		"ip route add default via " + g.network.Gateways[0] + " dev eth0 onlink",
	} {
		l.in(g.name, command)
	}
	g.setMAC(g.network.MAC)
}

// setMAC also sets the gateway's neighbour entry anew, which the kernel drops then.
func (g *guest) setMAC(mac string) {
	g.lab.t.Helper()
	g.lab.in(g.name, "ip link set eth0 address "+mac)
	g.lab.in(g.name, fmt.Sprintf("ip neigh replace %s lladdr %s dev eth0 nud permanent", g.network.Gateways[0], g.network.GatewayMAC))
}

// unplug removes the machine's port, as hostd does when the machine ends.
func (g *guest) unplug() {
	g.lab.t.Helper()
	g.wire.close()
}

func (g *guest) waitForNetwork() {
	g.lab.t.Helper()
	g.lab.waitFor("the network of "+g.name, func() bool { return plan.Ready(g.get()) })
}

// run reports the pod as running and ready.
func (g *guest) run() {
	g.setStatus(corev1.PodRunning, corev1.ConditionTrue)
}

func (g *guest) setStatus(phase corev1.PodPhase, ready corev1.ConditionStatus) {
	g.lab.t.Helper()
	address := cmp.Or(g.status, g.ip)
	patch, err := json.Marshal(map[string]any{"status": map[string]any{
		"phase": phase, "podIP": address, "podIPs": []map[string]string{{"ip": address}},
		"conditions": []map[string]any{{"type": "Ready", "status": ready, "lastTransitionTime": metav1.Now()}},
	}})
	check(g.lab.t, err)
	_, err = g.lab.client.CoreV1().Pods("default").Patch(g.lab.ctx, g.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	check(g.lab.t, err)
}

func (g *guest) delete() {
	g.lab.t.Helper()
	zero := int64(0)
	check(g.lab.t, g.lab.client.CoreV1().Pods("default").Delete(g.lab.ctx, g.name, metav1.DeleteOptions{GracePeriodSeconds: &zero}))
}

// startPod is the whole way of a pod.
func (l *lab) startPod(h *host, name string, labels map[string]string, ports ...corev1.ContainerPort) *guest {
	l.t.Helper()
	g := l.createPod(h, name, labels, ports...)
	l.namespace(l.ns(name))
	g.waitForAddress()
	g.plugIn()
	g.waitForNetwork()
	g.run()
	return g
}

package ncp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/record"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// bench runs a controller against a fake API server.
type bench struct {
	t      *testing.T
	client *fake.Clientset
	events *record.FakeRecorder
	stop   context.CancelFunc
	ended  chan error
}

func newBench(t *testing.T, objects ...runtime.Object) *bench {
	b := &bench{t: t, client: fake.NewClientset(objects...)}
	t.Cleanup(func() { b.kill() })
	return b
}

func (b *bench) start() {
	ctx, cancel := context.WithCancel(context.Background())
	b.events, b.stop, b.ended = record.NewFakeRecorder(1000), cancel, make(chan error, 1)
	c := NewController(Config{Client: b.client, Informers: informers.NewSharedInformerFactory(b.client, 0), Recorder: b.events})
	ended := b.ended
	go func() { ended <- c.Run(ctx) }()
}

// kill ends the controller, which then knows nothing any more.
func (b *bench) kill() {
	if b.stop != nil {
		b.stop()
		<-b.ended
		b.stop = nil
	}
}

func (b *bench) create(pods ...*corev1.Pod) {
	b.t.Helper()
	for _, pod := range pods {
		if _, err := b.client.CoreV1().Pods(pod.Namespace).Create(context.Background(), pod, metav1.CreateOptions{}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) update(pod *corev1.Pod) {
	b.t.Helper()
	if _, err := b.client.CoreV1().Pods(pod.Namespace).Update(context.Background(), pod, metav1.UpdateOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) delete(name string) {
	b.t.Helper()
	if err := b.client.CoreV1().Pods("default").Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) get(name string) *corev1.Pod {
	b.t.Helper()
	pod, err := b.client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return pod
}

func (b *bench) waitFor(what string, condition func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: not so after 10 s", what)
		}
	}
}

// address waits for the pod's address.
func (b *bench) address(name string) netip.Addr {
	b.t.Helper()
	var addrs []netip.Addr
	b.waitFor("address of "+name, func() bool {
		addrs = annotated(b.get(name))
		return len(addrs) > 0
	})
	return addrs[0]
}

func node(name string, cidrs ...string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{PodCIDRs: cidrs}}
}

func pod(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: node},
	}
}

func with(pod *corev1.Pod, change func(*corev1.Pod)) *corev1.Pod {
	pod = pod.DeepCopy()
	change(pod)
	return pod
}

// claiming is a pod whose annotation says that it has the address.
func claiming(name, node, address string, age time.Duration) *corev1.Pod {
	return with(pod(name, node), func(p *corev1.Pod) {
		value, _ := json.Marshal(networkOf(p, []netip.Addr{netip.MustParseAddr(address)}))
		p.Annotations = map[string]string{podapi.AnnotationNetwork: string(value)}
		p.CreationTimestamp = metav1.NewTime(time.Unix(1e9, 0).Add(-age))
	})
}

func TestAnnotation(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/24", "fd00:1::/64"), pod("web", "host-1"))
	b.start()
	b.address("web")
	var got podapi.Network
	if err := json.Unmarshal([]byte(b.get("web").Annotations[podapi.AnnotationNetwork]), &got); err != nil {
		t.Fatal(err)
	}
	want := podapi.Network{
		Addresses:  []string{"10.244.1.1/32", "fd00:1::1/128"},
		MAC:        hostv1.MAC("uid-web"),
		Gateways:   []string{"169.254.1.1", "fe80::1"},
		GatewayMAC: hostv1.GatewayMAC,
		MTU:        1450,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("annotation is %+v, want %+v", got, want)
	}
}

func TestWhoGetsNone(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/24"),
		pod("unbound", ""),
		with(pod("done", "host-1"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		pod("no-node", "host-9"))
	b.start()
	b.create(pod("last", "host-1"))
	b.address("last")
	for _, name := range []string{"unbound", "done", "no-node"} {
		if value := b.get(name).Annotations[podapi.AnnotationNetwork]; value != "" {
			t.Errorf("%s has %s", name, value)
		}
	}
}

// Its machine has a port like any other; that it has the host's address towards others is the host's business.
func TestAPodOnTheHostsNetworkGetsOne(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/24"), with(pod("host-network", "host-1"), func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
	b.start()
	b.address("host-network")
}

func TestNodeGetsItsPrefixLater(t *testing.T) {
	b := newBench(t, node("host-1"), pod("early", "host-1"), pod("earlier", "host-2"))
	b.start()
	b.create(pod("third", "host-1"))
	if _, err := b.client.CoreV1().Nodes().Update(context.Background(), node("host-1", "10.244.1.0/24"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.client.CoreV1().Nodes().Create(context.Background(), node("host-2", "10.244.2.0/24"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"early", "third", "earlier"} {
		b.address(name)
	}
}

func TestRebuild(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/24"),
		claiming("old", "host-1", "10.244.1.7", 2*time.Hour),
		claiming("ended", "host-1", "10.244.1.8", 3*time.Hour),
		claiming("thief", "host-1", "10.244.1.7", time.Hour),
		claiming("reporter", "host-1", "10.244.1.9", time.Hour),
		claiming("forger", "host-1", "10.244.1.9", 2*time.Hour),
		claiming("stray", "host-1", "10.244.2.3", time.Hour),
		claiming("broadcast", "host-1", "10.244.1.255", time.Hour))
	b.update(with(b.get("ended"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }))
	b.update(with(b.get("reporter"), func(p *corev1.Pod) { p.Status.PodIP = "10.244.1.9" }))
	b.start()
	b.waitFor("every address has one owner", func() bool {
		seen := map[netip.Addr]string{}
		for _, name := range []string{"old", "thief", "reporter", "forger", "stray", "broadcast"} {
			addr := annotated(b.get(name))[0]
			if seen[addr] != "" || !netip.MustParsePrefix("10.244.1.0/24").Contains(addr) || addr.As4()[3] == 255 {
				return false
			}
			seen[addr] = name
		}
		return seen[netip.MustParseAddr("10.244.1.7")] == "old" && seen[netip.MustParseAddr("10.244.1.9")] == "reporter"
	})
}

func TestForgedAnnotationIsPutRight(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/24"), pod("a", "host-1"), pod("b", "host-1"))
	b.start()
	own, other := b.address("a"), b.address("b")
	b.update(with(b.get("a"), func(p *corev1.Pod) {
		p.Annotations[podapi.AnnotationNetwork] = strings.Replace(p.Annotations[podapi.AnnotationNetwork], own.String(), other.String(), 1)
	}))
	b.waitFor("the annotation is put right", func() bool { return annotated(b.get("a"))[0] == own })
}

func TestExhaustion(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/30"), pod("a", "host-1"), pod("b", "host-1"))
	b.start()
	b.address("a")
	second := b.address("b")
	b.create(pod("c", "host-1"))
	b.waitFor("the pod says why it waits", func() bool {
		c := condition(b.get("c"))
		return c != nil && c.Status == corev1.ConditionFalse && strings.Contains(c.Message, "10.244.1.0/30")
	})
	if event := <-b.events.Events; !strings.HasPrefix(event, "Warning AddressesExhausted node host-1 has no free address") {
		t.Errorf("event is %q", event)
	}
	b.update(with(b.get("b"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })) // an ended pod gives its address up
	if got := b.address("c"); got != second {
		t.Errorf("c has %v, want %v", got, second)
	}
	b.waitFor("the condition is taken back", func() bool { return condition(b.get("c")).Status == corev1.ConditionTrue })
	b.create(pod("d", "host-1"))
	b.delete("a")
	b.address("d")
	if n := len(b.events.Events); n > 1 {
		t.Errorf("%d more events, want one at most", n)
	}
}

func TestSameNameAgain(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/31"), pod("a", "host-1"))
	b.start()
	b.address("a")
	for i := range 5 {
		b.delete("a")
		b.create(with(pod("a", "host-1"), func(p *corev1.Pod) { p.UID = types.UID(fmt.Sprint("uid-", i)) }))
		b.address("a")
	}
}

func TestHundredPodsAndKills(t *testing.T) {
	b := newBench(t, node("host-1", "10.244.1.0/24"), node("host-2", "10.244.2.0/24"))
	b.start()
	start := time.Now()
	for i := range 100 {
		b.create(pod(fmt.Sprint("pod-", i), fmt.Sprint("host-", i%2+1)))
		if i%30 == 29 {
			b.kill()
			b.start()
		}
	}
	seen := map[netip.Addr]string{}
	for i := range 100 {
		name := fmt.Sprint("pod-", i)
		addr := b.address(name)
		if other := seen[addr]; other != "" {
			t.Errorf("%s and %s both have %v", name, other, addr)
		}
		seen[addr] = name
	}
	t.Logf("100 pods in %v", time.Since(start))
}

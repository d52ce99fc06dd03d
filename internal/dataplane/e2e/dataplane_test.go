//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	podapi "pacific/api/pod"
)

func TestDataplane(t *testing.T) {
	l := newLab(t, 3)
	l.startSupervisor()
	hosts := l.hosts[1:]
	for _, h := range l.hosts {
		h.startDataplane()
	}
	for _, h := range hosts {
		h.register()
	}
	for _, h := range l.hosts {
		h.healthy()
	}
	l.waitFor("the default service account", func() bool {
		_, err := l.client.CoreV1().ServiceAccounts("default").Get(l.ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	var web []*guest
	for i, h := range hosts {
		web = append(web, l.startPod(h, fmt.Sprintf("web-%d", i+1), map[string]string{"app": "web"}))
	}
	client := l.startPod(hosts[0], "client", nil)

	step := func(t *testing.T, name string, f func(*testing.T)) {
		t.Helper()
		ok := t.Run(name, func(t *testing.T) {
			l.t = t
			f(t)
		})
		if l.t = t; !ok {
			t.FailNow()
		}
	}
	step(t, "pods, hosts and control plane ping each other", func(t *testing.T) { l.pingAll(append(web, client)) })
	step(t, "large transfers arrive whole", func(t *testing.T) { l.transfers(t, client, web) })
	step(t, "a pod sees whom it speaks to", func(t *testing.T) { l.sources(t, client, web[1]) })
	step(t, "ClusterIP", func(t *testing.T) { l.clusterIP(t, client, web) })
	step(t, "a pod on its host's network", func(t *testing.T) { l.hostNetwork(t, client, web[1]) })
	step(t, "kubernetes.default", func(t *testing.T) { l.kubernetesService(t, client) })
	step(t, "UDP Services change their endpoints", func(t *testing.T) { l.udp(t, client, web) })
	step(t, "a hundred pods at once", func(t *testing.T) { l.burst(t, hosts[1]) })
	step(t, "spoofed sources are dropped", func(t *testing.T) { l.spoofing(t, client, web[0]) })
	step(t, "a machine that restarts gets its port back", func(t *testing.T) { l.restartMachine(t, web[2]) })
	step(t, "kill -9 under load", func(t *testing.T) { l.killUnderLoad(t, client, web[1]) })
	step(t, "what others delete comes back, what is theirs stays", func(t *testing.T) { l.repair(t, hosts[0]) })
	step(t, "deleted pods leave nothing", func(t *testing.T) { l.deleteAll(t, append(web, client)) })
	step(t, "a node that leaves takes its routes along", func(t *testing.T) { l.removeNode(t, hosts[2]) })
}

func (l *lab) pingAll(guests []*guest) {
	var addresses, places []string
	for _, g := range guests {
		addresses, places = append(addresses, g.ip), append(places, g.name)
	}
	for _, h := range l.hosts {
		addresses, places = append(addresses, h.address), append(places, h.name)
	}
	for _, place := range places {
		for _, address := range addresses {
			l.in(place, "ping -c 1 -W 2 "+address)
		}
	}
	for _, g := range guests {
		l.in(g.name, "ping -c 1 -W 2 "+gateway) // the outside, masqueraded: the switch has no route back to pods
	}
}

const transferSize = 64 << 20

// transfers sends what TSO makes large segments of, and packets of exactly the MTU.
func (l *lab) transfers(t *testing.T, client *guest, servers []*guest) {
	for _, server := range servers {
		overhead := 28 // IP and ICMP headers
		l.in(client.name, fmt.Sprintf("ping -c 1 -W 2 -M do -s %d %s", client.network.MTU-overhead, server.ip))
		for _, ends := range [][2]*guest{{client, server}, {server, client}} {
			start := time.Now()
			l.transfer(t, ends[0].name, ends[1].name, ends[1].ip)
			t.Logf("%s to %s: %.0f MB/s", ends[0].name, ends[1].name, transferSize/1e6/time.Since(start).Seconds())
		}
	}
	l.transfer(t, "cp", servers[0].name, servers[0].ip)
	l.transfer(t, "host-1", servers[1].name, servers[1].ip)
	l.transfer(t, servers[1].name, "host-1", l.host("host-1").address)
	l.transfer(t, servers[1].name, "cp", controlPlane)
}

// transfer sends random bytes from one place to another and compares digests.
func (l *lab) transfer(t *testing.T, from, to, address string) {
	t.Helper()
	listener := l.listen(to, address+":9000")
	defer listener.Close()
	received := make(chan string, 1)
	go func() {
		defer close(received)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		digest := sha256.New()
		io.Copy(digest, conn)
		received <- hex.EncodeToString(digest.Sum(nil))
	}()
	conn, err := l.dial(from, address+":9000")
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(60*time.Second)))
	digest := sha256.New()
	source := io.LimitReader(rand.NewChaCha8([32]byte{1}), transferSize)
	_, err = io.Copy(io.MultiWriter(conn, digest), source)
	check(t, err)
	check(t, conn.(*net.TCPConn).CloseWrite())
	if got := <-received; got != hex.EncodeToString(digest.Sum(nil)) {
		t.Errorf("%s to %s: other bytes arrived than were sent", from, to)
	}
}

// sources: nobody inside the cluster is hidden behind another's address.
func (l *lab) sources(t *testing.T, client, server *guest) {
	for _, tc := range []struct{ from, to, address, want string }{
		{client.name, server.name, server.ip, client.ip},
		{"host-1", server.name, server.ip, l.host("host-1").address},
		{"host-1", client.name, client.ip, l.host("host-1").address},
		{"cp", server.name, server.ip, controlPlane},
		{client.name, "host-1", l.host("host-1").address, client.ip},
		{client.name, "host-3", l.host("host-3").address, client.ip},
		{client.name, "cp", controlPlane, client.ip},
		{client.name, "sw", gateway, l.host("host-1").address},
	} {
		listener := l.listen(tc.to, tc.address+":9001")
		conn, err := l.dial(tc.from, tc.address+":9001")
		check(t, err)
		accepted, err := listener.Accept()
		check(t, err)
		if got := accepted.RemoteAddr().(*net.TCPAddr).IP.String(); got != tc.want {
			t.Errorf("%s sees %s as %s, want %s", tc.to, tc.from, got, tc.want)
		}
		accepted.Close()
		conn.Close()
		listener.Close()
	}
}

func (l *lab) clusterIP(t *testing.T, client *guest, servers []*guest) {
	service, err := l.client.CoreV1().Services("default").Create(l.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeNodePort,
			Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}},
		},
	}, metav1.CreateOptions{})
	check(t, err)
	for _, server := range servers {
		l.serveName(server)
	}
	address := service.Spec.ClusterIP + ":80"
	nodePort := fmt.Sprint(l.host("host-2").address, ":", service.Spec.Ports[0].NodePort)
	for _, place := range []string{client.name, "host-1", "host-3", "cp", servers[0].name} {
		l.waitFor("all three answer "+place, func() bool { return len(l.askers(place, address, 12)) == 3 })
	}
	for _, place := range []string{"sw", "cp", "host-1", client.name} {
		l.waitFor("NodePort from "+place, func() bool { return len(l.askers(place, nodePort, 12)) == 3 })
	}
	// A pod that is not ready is out of the Service everywhere, and comes back.
	servers[2].setStatus(corev1.PodRunning, corev1.ConditionFalse)
	for _, place := range []string{client.name, "host-3", "cp"} {
		l.waitFor("two answer "+place, func() bool {
			names := l.askers(place, address, 12)
			return len(names) == 2 && !names[servers[2].name]
		})
	}
	servers[2].run()
	l.waitFor("three answer again", func() bool { return len(l.askers(client.name, address, 12)) == 3 })
}

// serveName answers every connection with the guest's name.
func (l *lab) serveName(g *guest) {
	listener := l.listen(g.name, ":80")
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, g.name)
			conn.Close()
		}
	}()
}

// askers returns who answered n connections from a place.
func (l *lab) askers(place, address string, n int) map[string]bool {
	names := map[string]bool{}
	for range n {
		conn, err := l.dial(place, address)
		if err != nil {
			return nil
		}
		name, _ := io.ReadAll(conn)
		conn.Close()
		names[string(name)] = true
	}
	return names
}

func (l *lab) kubernetesService(t *testing.T, client *guest) {
	for _, place := range []string{client.name, "host-2", "cp"} {
		conn, err := l.dial(place, "10.96.0.1:443")
		check(t, err)
		conn.Close()
	}
}

// udp: a client that goes on with one socket gets another endpoint when its own vanishes, since the proxy drops the old
// connection tracking entry.
func (l *lab) udp(t *testing.T, client *guest, servers []*guest) {
	service, err := l.client.CoreV1().Services("default").Create(l.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web-udp"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 53, Protocol: corev1.ProtocolUDP}},
		},
	}, metav1.CreateOptions{})
	check(t, err)
	for _, server := range servers {
		l.serveUDP(server)
	}
	var conn net.Conn
	l.inside(client.name, func() { conn, err = net.Dial("udp", service.Spec.ClusterIP+":53") })
	check(t, err)
	defer conn.Close()
	var first string
	l.waitFor("a datagram is answered", func() bool {
		first = ask(conn)
		return first != ""
	})
	for _, server := range servers {
		if server.name == first {
			server.setStatus(corev1.PodRunning, corev1.ConditionFalse)
			defer server.run()
		}
	}
	l.waitFor("another one answers the same socket", func() bool {
		name := ask(conn)
		return name != "" && name != first
	})
}

func (l *lab) serveUDP(g *guest) {
	l.t.Helper()
	var conn net.PacketConn
	var err error
	l.inside(g.name, func() { conn, err = net.ListenPacket("udp", ":53") })
	check(l.t, err)
	l.t.Cleanup(func() { conn.Close() })
	go func() {
		for {
			_, from, err := conn.ReadFrom(make([]byte, 16))
			if err != nil {
				return
			}
			conn.WriteTo([]byte(g.name), from)
		}
	}()
}

func ask(conn net.Conn) string {
	conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := conn.Write([]byte("?")); err != nil {
		return ""
	}
	answer := make([]byte, 64)
	n, _ := conn.Read(answer)
	return string(answer[:n])
}

// burst: pods made at once have their addresses soon, all different.
func (l *lab) burst(t *testing.T, h *host) {
	var guests []*guest
	for i := range 100 {
		guests = append(guests, l.createPod(h, fmt.Sprint("burst-", i), nil))
	}
	l.waitFor("a hundred addresses after the last pod was made", func() bool {
		pods, err := l.client.CoreV1().Pods("default").List(l.ctx, metav1.ListOptions{})
		check(t, err)
		seen := map[string]bool{}
		for _, pod := range pods.Items {
			if value := pod.Annotations[podapi.AnnotationNetwork]; strings.HasPrefix(pod.Name, "burst-") && value != "" {
				seen[value[:strings.Index(value, "]")]] = true
			}
		}
		return len(seen) == 100
	})
	for _, g := range guests {
		g.delete()
	}
}

// spoofing: neither another address nor another hardware address gets out of a port.
func (l *lab) spoofing(t *testing.T, attacker, victim *guest) {
	l.in(attacker.name, "ip addr add 10.244.77.7/32 dev lo")
	l.in(attacker.name, "ip addr add "+victim.ip+"9/32 dev lo")
	for _, address := range []string{"10.244.77.7", victim.ip + "9"} {
		if out, err := exec.Command("ip", "netns", "exec", l.ns(attacker.name), "ping", "-c", "1", "-W", "1", "-I", address, attacker.host.address).CombinedOutput(); err == nil {
			t.Errorf("a packet from %s got out of the port of %s\n%s", address, attacker.ip, out)
		}
		l.in(attacker.name, "ip addr del "+address+"/32 dev lo")
	}
	attacker.setMAC("02:00:00:00:00:01")
	if exec.Command("ip", "netns", "exec", l.ns(attacker.name), "ping", "-c", "1", "-W", "1", attacker.host.address).Run() == nil {
		t.Error("a packet with another hardware address got out of the port")
	}
	attacker.setMAC(attacker.network.MAC)
	l.in(attacker.name, "ping -c 1 -W 2 "+victim.ip)
	dropped := l.in(attacker.host.name, "nft list chain inet pacific from-port")
	if strings.Contains(dropped, "packets 0 ") {
		t.Errorf("the firewall counted no spoofed packet:\n%s", dropped)
	}
}

func (l *lab) restartMachine(t *testing.T, g *guest) {
	g.unplug()
	l.waitFor("the address is out of the firewall", func() bool {
		return !strings.Contains(l.kernelState(g.host), g.ip+" ")
	})
	g.plugIn()
	l.waitFor("the port is back", func() bool {
		return exec.Command("ip", "netns", "exec", l.ns("client"), "ping", "-c", "1", "-W", "1", g.ip).Run() == nil
	})
}

// killUnderLoad: a stream between pods on two hosts goes on while both daemons are killed and come back.
func (l *lab) killUnderLoad(t *testing.T, client, server *guest) {
	stop := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(stop) }) }
	defer end()
	stream := l.echo(t, client, server, stop)
	before := l.kernelState(client.host)
	client.host.kill9()
	server.host.kill9()
	l.host("cp").terminate()
	if after := l.kernelState(client.host); after != before {
		t.Errorf("killing the daemon changed the kernel's state:\n%s\nwas\n%s", after, before)
	}
	time.Sleep(500 * time.Millisecond) // some traffic with no daemon
	for _, h := range []*host{client.host, server.host, l.host("cp")} {
		h.startDataplane()
		h.healthy()
	}
	time.Sleep(time.Second) // some traffic with the new one
	end()
	result := <-stream
	check(t, result.err)
	t.Logf("%d messages, longest gap %v", result.messages, result.gap)
	// A lost packet costs a fifth of a second, a route that is away for a while much more; the rest is for slow machines.
	if result.gap > 2*time.Second {
		t.Errorf("the stream stood still for %v", result.gap)
	}
	if after := l.kernelState(client.host); after != before {
		t.Errorf("the new daemon changed the kernel's state:\n%s\nwas\n%s", after, before)
	}
}

type streamResult struct {
	messages int
	gap      time.Duration
	err      error
}

// echo sends messages and waits for each to come back, until stop.
func (l *lab) echo(t *testing.T, client, server *guest, stop chan struct{}) chan streamResult {
	listener := l.listen(server.name, ":9002")
	go func() {
		if conn, err := listener.Accept(); err == nil {
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	conn, err := l.dial(client.name, server.ip+":9002")
	check(t, err)
	results := make(chan streamResult, 1)
	go func() {
		defer conn.Close()
		var r streamResult
		message := make([]byte, 64<<10)
		for {
			select {
			case <-stop:
				results <- r
				return
			default:
			}
			start := time.Now()
			conn.SetDeadline(start.Add(10 * time.Second))
			if _, r.err = conn.Write(message); r.err == nil {
				_, r.err = io.ReadFull(conn, message)
			}
			if r.err != nil {
				results <- r
				return
			}
			r.messages++
			r.gap = max(r.gap, time.Since(start))
		}
	}()
	return results
}

// kernelState is all that the dataplane has made in a host's kernel, but for counters. The kernel's order is by hash.
func (l *lab) kernelState(h *host) string {
	l.t.Helper()
	var state []string
	for _, command := range []string{
		"ip route show table all proto 80", "ip rule", "ip neigh show nud permanent", "bridge fdb show dev pac-vxlan",
	} {
		lines := strings.Split(l.in(h.name, command), "\n")
		slices.Sort(lines)
		state = append(state, lines...)
	}
	return strings.Join(append(state, l.in(h.name, "nft -s list table inet pacific")), "\n")
}

func (l *lab) repair(t *testing.T, h *host) {
	want := l.kernelState(h)
	l.in(h.name, "ip route add 10.99.0.0/24 via "+gateway+" proto static")
	l.in(h.name, "ip route flush proto 80")
	l.waitFor("flushed routes", func() bool { return l.kernelState(h) == want })
	l.in(h.name, "ip link set pac-vxlan down")
	l.waitFor("overlay brought down", func() bool { return l.kernelState(h) == want })
	l.in(h.name, "ip link del pac-vxlan")
	l.waitFor("overlay deleted", func() bool { return l.kernelState(h) == want })
	l.in(h.name, "ip rule del priority 4096")
	l.waitFor("rule deleted", func() bool { return l.kernelState(h) == want })
	if !strings.Contains(l.in(h.name, "ip route"), "10.99.0.0/24") {
		t.Error("a route of somebody else is gone")
	}
}

func (l *lab) deleteAll(t *testing.T, guests []*guest) {
	for _, g := range guests {
		g.delete()
	}
	for _, g := range guests {
		l.waitFor("nothing is left of "+g.name, func() bool {
			state := l.kernelState(g.host)
			return !strings.Contains(state, g.ip+" ") && !strings.Contains(state, g.tap())
		})
		g.unplug()
	}
}

func (l *lab) removeNode(t *testing.T, h *host) {
	check(t, l.client.CoreV1().Nodes().Delete(l.ctx, h.name, metav1.DeleteOptions{}))
	for _, other := range []*host{l.host("host-1"), l.host("cp")} {
		l.waitFor("no route to "+h.name+" on "+other.name, func() bool {
			return !strings.Contains(l.kernelState(other), h.address)
		})
	}
}

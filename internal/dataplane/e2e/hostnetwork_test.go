//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// hostNetwork: a pod on the network of client's host has that host's address towards everybody, as server and as client, and
// Services lead to it from everywhere, from its own host and itself too.
func (l *lab) hostNetwork(t *testing.T, client, far *guest) {
	h := client.host
	labels := map[string]string{"app": "node-web"}
	g := l.startPod(h, "node-web", labels, corev1.ContainerPort{ContainerPort: 80})
	l.serveName(g)
	service, err := l.client.CoreV1().Services("default").Create(l.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: g.name},
		Spec:       corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 8080, TargetPort: intstr.FromInt32(80)}}},
	}, metav1.CreateOptions{})
	check(t, err)
	for _, place := range []string{client.name, far.name, g.name, h.name, far.host.name, "cp"} {
		for what, address := range map[string]string{"its host's address": h.address + ":80", "the Service": service.Spec.ClusterIP + ":8080"} {
			l.waitFor(place+" reaches it by "+what, func() bool { return l.askers(place, address, 2)[g.name] })
		}
	}
	l.waitFor("the outside reaches it", func() bool { return l.askers("sw", h.address+":80", 2)[g.name] })
	undeclared := l.listen(g.name, ":9003")
	defer undeclared.Close()
	if conn, err := l.dial("sw", h.address+":9003"); err == nil {
		conn.Close()
		t.Error("a port that it does not declare can be reached")
	}
	for _, to := range []struct{ place, address string }{
		{client.name, client.ip}, {far.name, far.ip}, {far.host.name, far.host.address}, {"cp", controlPlane}, {"sw", gateway},
	} {
		listener := l.listen(to.place, to.address+":9001")
		conn, err := l.dial(g.name, to.address+":9001")
		check(t, err)
		accepted, err := listener.Accept()
		check(t, err)
		if got := accepted.RemoteAddr().(*net.TCPAddr).IP.String(); got != h.address {
			t.Errorf("%s sees it as %s, want %s", to.place, got, h.address)
		}
		accepted.Close()
		conn.Close()
		listener.Close()
	}
	// A machine that starts again, and a dataplane that does, change nothing for the Service.
	h.kill9()
	h.startDataplane()
	h.healthy()
	l.waitFor("the Service works after a restart of the dataplane", func() bool {
		return l.askers(client.name, fmt.Sprint(service.Spec.ClusterIP, ":8080"), 2)[g.name]
	})
	g.delete()
	g.unplug()
}

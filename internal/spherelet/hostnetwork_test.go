package spherelet

import (
	"strconv"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestHostNetwork(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", func(p *v1.Pod) {
		p.Spec.HostNetwork = true
		p.Spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 8080, HostPort: 8080}}
	})
	w.await("pod is ready", func() bool { return w.ready("web") })
	if s := w.get("web").Status; s.PodIP != "127.0.0.1" || len(s.PodIPs) != 1 {
		t.Errorf("addresses are %s, %v", s.PodIP, s.PodIPs)
	}
	if pod := w.agent("web").Pod(); pod.NodeHosts == nil || pod.Network.Addresses[0] != "10.244.0.9/32" {
		t.Errorf("the agent has %v, %q", pod.Network, pod.NodeHosts)
	}
	w.await("event", func() bool { return w.recorded("HostNetworkForwarded") })

	_, own, _ := strings.Cut(w.options.Listen, ":")
	port, err := strconv.ParseInt(own, 10, 32)
	w.check(err)
	w.pod("thief", func(p *v1.Pod) {
		p.Spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 80, HostPort: int32(port)}}
	})
	w.await("failed", func() bool { return w.get("thief").Status.Phase == v1.PodFailed })
	if s := w.get("thief").Status; s.Reason != "NotSupported" || !strings.Contains(s.Message, "port of the spherelet") {
		t.Errorf("%s: %s", s.Reason, s.Message)
	}
}

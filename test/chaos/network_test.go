package chaos

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

func podWithPort(uid, node, address string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "p-" + uid, UID: types.UID(uid), Annotations: map[string]string{
			podapi.AnnotationNetwork: `{"addresses":["` + address + `/32"],"mac":"02:00:00:00:00:01"}`,
		}},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "c", Ports: []corev1.ContainerPort{{ContainerPort: 80, HostPort: 8080, Protocol: corev1.ProtocolTCP}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: address}}},
	}
}

func TestNetworkMismatches(t *testing.T) {
	ended := podWithPort("c", "host-1", "10.244.0.9")
	ended.Status.Phase = corev1.PodFailed
	want := wantedNetworks([]string{"host-1", "host-2"}, []corev1.Pod{podWithPort("a", "host-1", "10.244.0.1"), ended, podWithPort("b", "host-2", "10.244.1.1")})
	tap := hostv1.TapName("a")
	have := network{
		"route 10.244.0.1 dev " + tap:                                         true,
		"neigh 10.244.0.1 lladdr 02:00:00:00:00:01 dev " + tap:                true,
		"nft element ports4 { " + tap + " . 02:00:00:00:00:01 . 10.244.0.1 }": true,
		"nft element host-ports4 { tcp . 8080 : 10.244.0.1 . 80 }":            true,
	}
	if found := networkMismatches("host-1", want["host-1"], have); len(found) > 0 {
		t.Error(found)
	}
	delete(have, "route 10.244.0.1 dev "+tap)
	have["route 10.244.0.9 dev tap0"] = true
	found := networkMismatches("host-1", want["host-1"], have)
	if !slices.Equal(found, []string{`host-1 has "route 10.244.0.9 dev tap0", which is no pod's`, `host-1 lacks "route 10.244.0.1 dev ` + tap + `"`}) {
		t.Error(found)
	}
}

func TestSharedAddresses(t *testing.T) {
	ended := podWithPort("c", "host-1", "10.244.1.1")
	ended.Status.Phase = corev1.PodSucceeded
	pods := []corev1.Pod{podWithPort("a", "host-1", "10.244.0.1"), podWithPort("b", "host-2", "10.244.1.1"), ended}
	if found := sharedAddresses(pods); len(found) > 0 {
		t.Error(found)
	}
	pods[2].Status.Phase = corev1.PodRunning
	if found := sharedAddresses(pods); !slices.Equal(found, []string{"address 10.244.1.1 is that of n/p-b and of n/p-c"}) {
		t.Error(found)
	}
}

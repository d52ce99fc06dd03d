package chaos

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	hostv1 "pacific/api/host/v1"
)

func podOn(host, uid string, phase corev1.PodPhase) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "pod-" + uid, UID: types.UID(uid)},
		Spec:       corev1.PodSpec{NodeName: host}, Status: corev1.PodStatus{Phase: phase},
	}
}

func hostWith(machines ...*hostv1.InventoryMachine) *hostv1.GetInventoryResponse {
	inventory := &hostv1.GetInventoryResponse{Machines: machines}
	for _, m := range machines {
		inventory.Taps = append(inventory.Taps, &hostv1.InventoryItem{Name: "tap" + m.Id, Owner: m.Id})
	}
	return inventory
}

func TestMismatches(t *testing.T) {
	machine := &hostv1.InventoryMachine{Id: "a", Pid: 7}
	running := podOn("h", "a", corev1.PodRunning)
	leaky := hostWith(machine)
	leaky.Disks = []*hostv1.InventoryItem{{Name: "/d", Owner: "a"}, {Name: "/e"}}
	untapped := hostWith(machine)
	untapped.Taps = nil
	for _, test := range []struct {
		name      string
		pods      []corev1.Pod
		inventory *hostv1.GetInventoryResponse
		want      string // of the only mismatch, empty for none
	}{
		{"as it should be", []corev1.Pod{running, podOn("", "b", corev1.PodPending), podOn("h", "c", corev1.PodSucceeded)}, hostWith(machine), ""},
		{"machine without pod", nil, hostWith(machine), "without a pod"},
		{"pod that is over has a machine", []corev1.Pod{podOn("h", "a", corev1.PodFailed)}, hostWith(machine), "without a pod"},
		{"pod without machine", []corev1.Pod{running}, hostWith(), "no machine"},
		{"machine that does not run", []corev1.Pod{running}, &hostv1.GetInventoryResponse{Machines: []*hostv1.InventoryMachine{{Id: "a"}}}, "does not run"},
		{"leaked disk", []corev1.Pod{running}, leaky, "/e without an owner"},
		{"missing tap", []corev1.Pod{running}, untapped, "0 taps"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := mismatches(test.pods, map[string]*hostv1.GetInventoryResponse{"h": test.inventory})
			if test.want == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || test.want == "" || !strings.Contains(got[0], test.want) {
				t.Errorf("mismatches %q, want one with %q", got, test.want)
			}
		})
	}
	onAnother := mismatches([]corev1.Pod{running}, map[string]*hostv1.GetInventoryResponse{"other": hostWith(machine), "h": hostWith()})
	if len(onAnother) != 2 {
		t.Errorf("a machine on the wrong host: %q", onAnother)
	}
}

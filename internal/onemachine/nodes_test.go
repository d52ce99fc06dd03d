package onemachine

import (
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhyNotReady(t *testing.T) {
	start := time.Now()
	node := func(status corev1.ConditionStatus, reason string) []corev1.Node {
		return []corev1.Node{{
			ObjectMeta: metav1.ObjectMeta{Name: "host-1"},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Reason: reason}}},
		}}
	}
	lease := func(at time.Time) []coordinationv1.Lease {
		renewed := metav1.NewMicroTime(at)
		return []coordinationv1.Lease{{ObjectMeta: metav1.ObjectMeta{Name: "host-1"}, Spec: coordinationv1.LeaseSpec{RenewTime: &renewed}}}
	}
	for _, c := range []struct {
		name   string
		nodes  []corev1.Node
		leases []coordinationv1.Lease
		want   string // part of the reason, empty for Ready
	}{
		{"ready", node(corev1.ConditionTrue, ""), lease(start.Add(time.Second)), ""},
		{"unknown", nil, nil, "not registered"},
		{"not ready", node(corev1.ConditionFalse, "HostdDown"), lease(start.Add(time.Second)), "HostdDown"},
		{"no lease", node(corev1.ConditionTrue, ""), nil, "lease"},
		{"ready of an earlier spherelet", node(corev1.ConditionTrue, ""), lease(start.Add(-time.Second)), "lease"},
	} {
		got := whyNotReady("host-1", c.nodes, c.leases, start)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

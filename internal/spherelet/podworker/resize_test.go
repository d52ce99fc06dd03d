package podworker

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestRoom(t *testing.T) {
	list := func(cpu, memory string) v1.ResourceList {
		return v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	}
	r := room{HostCPUs: 4, VCPUs: 1, Memory: 256 << 20, Allocatable: list("4", "4Gi"), Used: list("2", "1Gi")}
	for _, test := range []struct{ cpu, memory, reason, message string }{
		{"500m", "128Mi", "", ""},
		{"5", "128Mi", v1.PodReasonInfeasible, "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"},
		{"1", "5Gi", v1.PodReasonInfeasible, "capacity: memory"},
		{"1500m", "128Mi", v1.PodReasonInfeasible, "1 virtual CPUs and would need 2"},
		{"1", "1Gi", v1.PodReasonInfeasible, "256 MiB of memory"},
	} {
		l := list(test.cpu, test.memory)
		pod := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "a", Resources: v1.ResourceRequirements{Requests: l, Limits: l}}}}}
		check(t, r.fit(pod), test.reason, test.message)
	}
	r.Used = list("3500m", "1Gi")
	l := list("1", "64Mi")
	pod := &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "a", Resources: v1.ResourceRequirements{Requests: l, Limits: l}}}}}
	check(t, r.fit(pod), v1.PodReasonDeferred, "Node didn't have enough resource: cpu, requested: 1000, used: 3500, capacity: 4000")
}

func check(t *testing.T, got *refusal, reason, message string) {
	t.Helper()
	if got == nil {
		got = &refusal{}
	}
	if got.reason != reason || !strings.Contains(got.message, message) {
		t.Errorf("got %+v, want %s: %s", *got, reason, message)
	}
}

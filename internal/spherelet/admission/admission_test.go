package admission

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func asking(cpu, memory string) *v1.Pod {
	return &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Resources: v1.ResourceRequirements{
		Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}}}}}}
}

func TestCheck(t *testing.T) {
	volume := func(s v1.VolumeSource) *v1.Pod {
		return &v1.Pod{Spec: v1.PodSpec{Volumes: []v1.Volume{{Name: "v", VolumeSource: s}}}}
	}
	node := Node{
		Allocatable: v1.ResourceList{v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("1Gi"), v1.ResourcePods: resource.MustParse("3")},
		Others:      []*v1.Pod{asking("500m", "512Mi")},
	}
	full := node
	full.Others = []*v1.Pod{{}, {}, {}}
	tests := []struct {
		name   string
		pod    *v1.Pod
		node   Node
		reason string
		says   []string
	}{
		{"plain", asking("1", "1Mi"), node, "", nil},
		{"hostNetwork", &v1.Pod{Spec: v1.PodSpec{HostNetwork: true}}, node, ReasonNotSupported, []string{"spec.hostNetwork", "Service"}},
		{"two fields", &v1.Pod{Spec: v1.PodSpec{HostPID: true, HostIPC: true}}, node, ReasonNotSupported, []string{"spec.hostPID", "spec.hostIPC"}},
		{"hostPort", &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "web", Ports: []v1.ContainerPort{{HostPort: 80}}}}}}, node,
			ReasonNotSupported, []string{"spec.containers[0].ports[0].hostPort (web)", "NodePort"}},
		{"hostPath", volume(v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/"}}), node, ReasonNotSupported, []string{"spec.volumes[0] (v)", "emptyDir"}},
		{"claim", volume(v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{}}), node, ReasonNotSupported, []string{"persistent volumes"}},
		{"emptyDir", volume(v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}}), node, "", nil},
		{"windows", &v1.Pod{Spec: v1.PodSpec{OS: &v1.PodOS{Name: v1.Windows}}}, node, ReasonNotSupported, []string{"linux"}},
		{"too many CPUs", asking("1600m", "1Mi"), node, "OutOfcpu", []string{"requested: 1600, used: 500, capacity: 2000"}},
		{"too much memory", asking("1", "600Mi"), node, "OutOfmemory", []string{"memory"}},
		{"too many pods", asking("1", "1Mi"), full, "OutOfpods", []string{"requested: 1, used: 3, capacity: 3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := Check(test.pod, test.node)
			if r == nil {
				if test.reason != "" {
					t.Fatalf("admitted; want %s", test.reason)
				}
				return
			}
			if r.Reason != test.reason {
				t.Errorf("reason %q, want %q (%s)", r.Reason, test.reason, r.Message())
			}
			for _, s := range test.says {
				if !strings.Contains(r.Message(), s) {
					t.Errorf("message %q does not say %q", r.Message(), s)
				}
			}
		})
	}
}

package sizing

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const mib = 1 << 20

// container with limits and requests of CPU and memory; empty for none.
func container(cpuLimit, memLimit, cpuRequest, memRequest string) v1.Container {
	list := func(cpu, mem string) v1.ResourceList {
		l := v1.ResourceList{}
		if cpu != "" {
			l[v1.ResourceCPU] = resource.MustParse(cpu)
		}
		if mem != "" {
			l[v1.ResourceMemory] = resource.MustParse(mem)
		}
		return l
	}
	return v1.Container{Resources: v1.ResourceRequirements{Limits: list(cpuLimit, memLimit), Requests: list(cpuRequest, memRequest)}}
}

func sidecar(c v1.Container) v1.Container {
	always := v1.ContainerRestartPolicyAlways
	c.RestartPolicy = &always
	return c
}

func TestOf(t *testing.T) {
	none := container("", "", "", "")
	tests := []struct {
		name             string
		init, containers []v1.Container
		cpus             uint32
		want             Size
	}{
		{"nothing said", nil, []v1.Container{none}, 4, Size{1, 352 * mib}},
		{"two without limits", nil, []v1.Container{none, none}, 4, Size{1, 608 * mib}},
		{"limits add up", nil, []v1.Container{container("1500m", "64Mi", "", ""), container("600m", "32Mi", "", "")}, 8, Size{3, 192 * mib}},
		{"never more than the host", nil, []v1.Container{container("64", "64Mi", "", "")}, 2, Size{2, 160 * mib}},
		{"a larger request than the default", nil, []v1.Container{container("", "", "2", "1Gi")}, 4, Size{2, 1120 * mib}},
		{"a large init container", []v1.Container{container("2", "512Mi", "", "")}, []v1.Container{container("1", "64Mi", "", "")}, 4, Size{2, 608 * mib}},
		{"a sidecar beside both", []v1.Container{sidecar(container("1", "64Mi", "", "")), container("2", "512Mi", "", "")},
			[]v1.Container{container("1", "64Mi", "", "")}, 4, Size{3, 672 * mib}},
		{"rounded up", nil, []v1.Container{container("", "1", "", "")}, 4, Size{1, 112 * mib}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pod := &v1.Pod{Spec: v1.PodSpec{InitContainers: test.init, Containers: test.containers}}
			if got := Of(pod, test.cpus); got != test.want {
				t.Errorf("Of = %d vCPUs, %d MiB; want %d vCPUs, %d MiB", got.VCPUs, got.MemoryBytes/mib, test.want.VCPUs, test.want.MemoryBytes/mib)
			}
		})
	}
}

package sizing

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	podapi "pacific/api/pod"
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
		{"nothing said", nil, []v1.Container{none}, 4, Size{VCPUs: 1, MemoryBytes: 352 * mib}},
		{"two without limits", nil, []v1.Container{none, none}, 4, Size{VCPUs: 1, MemoryBytes: 608 * mib}},
		{"limits add up", nil, []v1.Container{container("1500m", "64Mi", "", ""), container("600m", "32Mi", "", "")}, 8, Size{VCPUs: 3, MemoryBytes: 192 * mib}},
		{"never more than the host", nil, []v1.Container{container("64", "64Mi", "", "")}, 2, Size{VCPUs: 2, MemoryBytes: 160 * mib}},
		{"a larger request than the default", nil, []v1.Container{container("", "", "2", "1Gi")}, 4, Size{VCPUs: 2, MemoryBytes: 1120 * mib}},
		{"a large init container", []v1.Container{container("2", "512Mi", "", "")}, []v1.Container{container("1", "64Mi", "", "")}, 4, Size{VCPUs: 2, MemoryBytes: 608 * mib}},
		{"a sidecar beside both", []v1.Container{sidecar(container("1", "64Mi", "", "")), container("2", "512Mi", "", "")},
			[]v1.Container{container("1", "64Mi", "", "")}, 4, Size{VCPUs: 3, MemoryBytes: 672 * mib}},
		{"rounded up", nil, []v1.Container{container("", "1", "", "")}, 4, Size{VCPUs: 1, MemoryBytes: 112 * mib}},
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

func TestGuarantees(t *testing.T) {
	const host = 1000 * mib
	const overhead = podapi.MemoryOverhead
	pod := func(edit func(*v1.Pod), containers ...v1.Container) *v1.Pod {
		p := &v1.Pod{Spec: v1.PodSpec{Containers: containers}}
		if edit != nil {
			edit(p)
		}
		return p
	}
	tests := []struct {
		name string
		pod  *v1.Pod
		size Size
		want Guarantee
	}{
		{"best effort has its overhead", pod(nil, container("", "", "", "")),
			Size{1, 352 * mib}, Guarantee{overhead, 102, 1000}},
		{"burstable has its requests", pod(nil, container("2", "500Mi", "500m", "100Mi")),
			Size{2, 608 * mib}, Guarantee{overhead + 100*mib, 512, 900}},
		{"guaranteed has all", pod(nil, container("1", "128Mi", "1", "128Mi")),
			Size{1, 224 * mib}, Guarantee{overhead + 128*mib, 1024, -997}},
		{"a limit beyond the host is none", pod(nil, container("", "100Gi", "", "1Mi")),
			Size{1, 1000 * mib}, Guarantee{overhead + mib, 102, 999}},
		{"overhead of its own class", pod(func(p *v1.Pod) { p.Spec.Overhead = v1.ResourceList{v1.ResourceMemory: resource.MustParse("32Mi")} },
			container("", "64Mi", "", "64Mi")),
			Size{1, 192 * mib}, Guarantee{96 * mib, 102, 936}},
		{"resources of the pod", pod(func(p *v1.Pod) {
			p.Spec.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceMemory: resource.MustParse("600Mi")}}
		}, container("", "", "", "")),
			Size{1, 704 * mib}, Guarantee{overhead + 600*mib, 102, 400}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			size := Of(test.pod, 4).Within(host)
			if got := GuaranteeOf(test.pod, size, host); got != test.want || size != test.size {
				t.Errorf("got  %+v of %+v\nwant %+v of %+v", got, size, test.want, test.size)
			}
		})
	}
}

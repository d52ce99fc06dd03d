package admission

import (
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
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
		Object: &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "host-1", Labels: map[string]string{"disk": "ssd"}},
			Spec: v1.NodeSpec{Taints: []v1.Taint{{Key: "out", Effect: v1.TaintEffectNoExecute}, {Key: "busy", Effect: v1.TaintEffectNoSchedule}}}},
		UnsafeSysctls: []string{"kernel.msg*", "net.core.somaxconn"},
	}
	node.Object.Spec.Taints = node.Object.Spec.Taints[1:]
	tainted := node
	tainted.Object = node.Object.DeepCopy()
	tainted.Object.Spec.Taints[0].Effect = v1.TaintEffectNoExecute
	leaving, low, packed := node, node, node
	leaving.ShuttingDown = true
	low.Pressures = []v1.NodeConditionType{v1.NodeMemoryPressure}
	packed.Pressures = []v1.NodeConditionType{v1.NodeMemoryPressure, v1.NodeDiskPressure}
	with := func(edit func(*v1.PodSpec)) *v1.Pod {
		p := asking("1m", "1Mi")
		edit(&p.Spec)
		return p
	}
	sysctl := func(name string) *v1.Pod {
		return with(func(s *v1.PodSpec) {
			s.SecurityContext = &v1.PodSecurityContext{Sysctls: []v1.Sysctl{{Name: name, Value: "1"}}}
		})
	}
	listening := func(ip string, protocol v1.Protocol) *v1.Pod {
		return with(func(s *v1.PodSpec) {
			s.Containers[0].Ports = []v1.ContainerPort{{HostIP: ip, HostPort: 80, ContainerPort: 80, Protocol: protocol}}
		})
	}
	taken := node
	taken.Others = []*v1.Pod{listening("192.0.2.1", v1.ProtocolTCP)}
	guarded := node
	guarded.IPs, guarded.Reserved = []string{"192.0.2.9"}, []Reserved{{Protocol: v1.ProtocolTCP, Port: 80, By: "hostd"}}
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
		{"hostNetwork", with(func(s *v1.PodSpec) { s.HostNetwork = true }), node, "", nil},
		{"port of the node's own", listening("192.0.2.9", v1.ProtocolTCP), guarded, ReasonNotSupported, []string{"hostPort 80/TCP", "port of hostd"}},
		{"port of the node's own, on every address", listening("0.0.0.0", ""), guarded, ReasonNotSupported, []string{"hostd"}},
		{"port of the node's own, at another address", listening("192.0.2.1", v1.ProtocolTCP), guarded, "", nil},
		{"port of the node's own, of another protocol", listening("", v1.ProtocolUDP), guarded, "", nil},
		{"two fields", &v1.Pod{Spec: v1.PodSpec{HostPID: true, HostIPC: true}}, node, ReasonNotSupported, []string{"spec.hostPID", "spec.hostIPC"}},
		{"hostPort", listening("192.0.2.1", v1.ProtocolTCP), node, "", nil},
		{"hostPort of another", listening("192.0.2.1", v1.ProtocolTCP), taken, "NodePorts", []string{"didn't have free ports"}},
		{"hostPort of another, on every address", listening("", ""), taken, "NodePorts", nil},
		{"hostPort at another address", listening("192.0.2.2", v1.ProtocolTCP), taken, "", nil},
		{"hostPort of another protocol", listening("192.0.2.1", v1.ProtocolUDP), taken, "", nil},
		{"hostPath", volume(v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/"}}), node, ReasonNotSupported, []string{"spec.volumes[0] (v)", "emptyDir"}},
		{"a file of the host", volume(v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/etc/hosts"}}), node, "", nil},
		{"claim", volume(v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{}}), node, ReasonNotSupported, []string{"persistent volumes"}},
		{"emptyDir", volume(v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{Medium: v1.StorageMediumMemory}}), node, "", nil},
		{"windows", &v1.Pod{Spec: v1.PodSpec{OS: &v1.PodOS{Name: v1.Windows}}}, node, ReasonNotSupported, []string{"linux"}},
		{"too many CPUs", asking("1600m", "1Mi"), node, "OutOfcpu", []string{"requested: 1600, used: 500, capacity: 2000"}},
		{"too much memory", asking("1", "600Mi"), node, "OutOfmemory", []string{"memory"}},
		{"the overhead counts too", asking("1", "500Mi"), node, "OutOfmemory", []string{"requested: 562036736, used: 574619648, capacity: 1073741824"}},
		{"hugepages", with(func(s *v1.PodSpec) {
			s.Containers[0].Resources.Requests["hugepages-2Mi"] = resource.MustParse("4Mi")
		}), node, "OutOfhugepages-2Mi", []string{"capacity: 0"}},
		{"devices are the scheduler's business", with(func(s *v1.PodSpec) { s.Containers[0].Resources.Requests["example.com/gpu"] = resource.MustParse("1") }), node, "", nil},
		{"label that the node has", with(func(s *v1.PodSpec) { s.NodeSelector = map[string]string{"disk": "ssd"} }), node, "", nil},
		{"label that it has not", with(func(s *v1.PodSpec) { s.NodeSelector = map[string]string{"disk": "tape"} }), node, "NodeAffinity", []string{"didn't match"}},
		{"taint", asking("1m", "1Mi"), tainted, "TaintToleration", []string{"busy"}},
		{"tolerated taint", with(func(s *v1.PodSpec) { s.Tolerations = []v1.Toleration{{Operator: v1.TolerationOpExists}} }), tainted, "", nil},
		{"node goes", asking("1m", "1Mi"), leaving, "NodeShutdown", []string{"Pod was rejected as the node is shutting down."}},
		{"memory is low for a burstable pod", asking("1m", "1Mi"), low, "", nil},
		{"memory is low for a best effort pod", &v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c"}}}}, low, "Evicted", []string{"The node had condition: [MemoryPressure]. "}},
		{"disk is low", asking("1m", "1Mi"), packed, "Evicted", []string{"DiskPressure"}},
		{"disk is low for a critical pod", with(func(s *v1.PodSpec) { s.Priority = ptr.To[int32](2_000_000_000) }), packed, "", nil},
		{"safe sysctl", sysctl("net.ipv4.tcp_syncookies"), node, "", nil},
		{"allowed sysctls", sysctl("kernel/msgmax"), node, "", nil},
		{"forbidden sysctl", sysctl("kernel.shmmax"), node, "SysctlForbidden", []string{`forbidden sysctl: "kernel.shmmax" not allowlisted`}},
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

func TestHostNetworkIsExplained(t *testing.T) {
	pod := &v1.Pod{Spec: v1.PodSpec{HostNetwork: true, Containers: []v1.Container{{Ports: []v1.ContainerPort{
		{ContainerPort: 80, HostPort: 80}, {ContainerPort: 53, HostPort: 53, Protocol: v1.ProtocolUDP}}}}}}
	if text := HostNetwork(pod, "192.0.2.1"); !strings.Contains(text, "address 192.0.2.1 of its node") || !strings.Contains(text, ": 80/TCP, 53/UDP.") {
		t.Error(text)
	}
	pod.Spec.Containers = nil
	if text := HostNetwork(pod, "192.0.2.1"); !strings.Contains(text, "declares no ports") {
		t.Error(text)
	}
	if text := HostNetwork(&v1.Pod{}, "192.0.2.1"); text != "" {
		t.Error(text)
	}
}

func TestVictims(t *testing.T) {
	mib := func(n int64) int64 { return n << 20 }
	pod := func(name, request, limit string, priority int32) *v1.Pod {
		p := asking("1m", request)
		p.Name, p.Spec.Priority = name, &priority
		if request == "" {
			p.Spec.Containers[0].Resources = v1.ResourceRequirements{}
		}
		if limit != "" {
			p.Spec.Containers[0].Resources.Limits = v1.ResourceList{v1.ResourceCPU: resource.MustParse("1m"), v1.ResourceMemory: resource.MustParse(limit)}
		}
		return p
	}
	const critical = 2_000_000_000
	best, burst, large, sure := pod("best", "0", "", 0), pod("burst", "100Mi", "", 0), pod("large", "900Mi", "", 0), pod("sure", "300Mi", "300Mi", 0)
	other := pod("critical", "1Gi", "", critical)
	tests := []struct {
		name   string
		others []*v1.Pod
		short  int64 // MiB
		want   string
	}{
		{"the smallest that is enough", []*v1.Pod{large, burst}, 130, "burst"},
		{"nobody guaranteed if others do", []*v1.Pod{sure, large, burst}, 300, "large"},
		{"several", []*v1.Pod{burst, large}, 1000, "burst large"},
		{"guaranteed at last", []*v1.Pod{sure, burst}, 400, "burst sure"},
		{"critical ones never", []*v1.Pod{other, burst}, 500, ""},
		{"best effort has its overhead", []*v1.Pod{best}, 36, "best"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var names []string
			for _, v := range Victims(pod("new", "1Mi", "", critical), test.others, []Shortage{{v1.ResourceMemory, mib(test.short)}}) {
				names = append(names, v.Name)
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

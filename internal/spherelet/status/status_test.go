package status

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func running() *agentv1.State {
	return &agentv1.State{State: &agentv1.State_Running{Running: &agentv1.Running{StartedAt: timestamppb.New(now)}}}
}

func exited(code int32) *agentv1.State {
	return &agentv1.State{State: &agentv1.State_Terminated{Terminated: &agentv1.Termination{ExitCode: code}}}
}

func waitingFor(reason string) *agentv1.State {
	return &agentv1.State{State: &agentv1.State_Waiting{Waiting: &agentv1.Waiting{Reason: reason}}}
}

func agent(containers ...*agentv1.ContainerStatus) *agentv1.PodStatus {
	return &agentv1.PodStatus{Started: true, Containers: containers}
}

func podOf(policy v1.RestartPolicy, init, containers []string) *v1.Pod {
	pod := &v1.Pod{Spec: v1.PodSpec{RestartPolicy: policy}}
	for _, n := range init {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, v1.Container{Name: n, Image: "r/" + n + ":1"})
	}
	for _, n := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{Name: n, Image: "r/" + n + ":1"})
	}
	return pod
}

func TestOf(t *testing.T) {
	crash := &agentv1.Termination{ExitCode: 1}
	tests := []struct {
		name  string
		in    Input
		phase v1.PodPhase
		ready bool
		// reason of the last container's state: that of waiting, "running", or that of the termination
		state string
		// reason of the Ready condition
		why string
	}{
		{"nothing known", Input{Pod: podOf("Always", nil, []string{"a"})}, v1.PodPending, false, "ContainerCreating", "ContainersNotReady"},
		{"behind an init container", Input{Pod: podOf("Always", []string{"i"}, []string{"a"})}, v1.PodPending, false, "PodInitializing", "ContainersNotReady"},
		{"image failed", Input{Pod: podOf("Always", nil, []string{"a"}), Images: podapi.Images{"a": {Reason: "ErrImagePull"}}}, v1.PodPending, false, "ErrImagePull", "ContainersNotReady"},
		{"no ConfigMap", Input{Pod: podOf("Always", nil, []string{"a"}), ConfigErrors: map[string]string{"a": "not found"}}, v1.PodPending, false, "CreateContainerConfigError", "ContainersNotReady"},
		{"runs", Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running(), Ready: true, Started: true})},
			v1.PodRunning, true, "running", ""},
		{"runs, not ready", Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running()})},
			v1.PodRunning, false, "running", "ContainersNotReady"},
		{"one of two creates", Input{Pod: podOf("Always", nil, []string{"b", "a"}), Agent: agent(&agentv1.ContainerStatus{Name: "b", State: running(), Ready: true}, &agentv1.ContainerStatus{Name: "a", State: waitingFor("ContainerCreating")})},
			v1.PodPending, false, "ContainerCreating", "ContainersNotReady"},
		{"crash loop", Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: waitingFor("CrashLoopBackOff"), LastTermination: crash})},
			v1.PodRunning, false, "CrashLoopBackOff", "ContainersNotReady"},
		{"done, not said ended", Input{Pod: podOf("Never", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: exited(0)})},
			v1.PodRunning, false, "Completed", "ContainersNotReady"},
		{"succeeded", Input{Pod: podOf("Never", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: exited(0)}), Ended: true},
			v1.PodSucceeded, false, "Completed", "PodCompleted"},
		{"failed", Input{Pod: podOf("Never", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: exited(3)}), Ended: true},
			v1.PodFailed, false, "Error", "PodFailed"},
		{"machine dead", Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running(), Ready: true}),
			Dead: &agentv1.Termination{ExitCode: 137, Reason: "KernelPanic"}}, v1.PodRunning, false, "KernelPanic", "ContainersNotReady"},
		{"machine dead, waits", Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running(), Ready: true}),
			Dead: &agentv1.Termination{ExitCode: 137, Reason: "KernelPanic"}, BackOff: "back-off"}, v1.PodRunning, false, "CrashLoopBackOff", "ContainersNotReady"},
		{"machine dead for good", Input{Pod: podOf("Never", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running()}),
			Dead: &agentv1.Termination{ExitCode: 137, Reason: "KernelPanic"}, Failure: &Failure{Reason: "KernelPanic"}, Ended: true}, v1.PodFailed, false, "KernelPanic", "PodFailed"},
		{"gone with no word", Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running()}), Ended: true},
			v1.PodFailed, false, "ContainerStatusUnknown", "PodFailed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.in.Now = now
			got := Of(test.in)
			if got.Phase != test.phase {
				t.Errorf("phase %s, want %s", got.Phase, test.phase)
			}
			last := got.ContainerStatuses[len(got.ContainerStatuses)-1].State
			state := "running"
			if last.Waiting != nil {
				state = last.Waiting.Reason
			} else if last.Terminated != nil {
				state = last.Terminated.Reason
			}
			if state != test.state {
				t.Errorf("state %s, want %s", state, test.state)
			}
			for _, c := range got.Conditions {
				if c.Type == v1.PodReady && ((c.Status == v1.ConditionTrue) != test.ready || c.Reason != test.why) {
					t.Errorf("Ready is %s because of %q, want %t because of %q", c.Status, c.Reason, test.ready, test.why)
				}
			}
		})
	}
}

func TestOfIsStable(t *testing.T) {
	pod := podOf("Always", []string{"i"}, []string{"a"})
	pod.Status.Conditions = []v1.PodCondition{{Type: "other/Condition", Status: v1.ConditionFalse, Message: "not ours"}}
	in := Input{Pod: pod, Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running(), Ready: true}), HostIPs: []string{"192.0.2.1"}, Addresses: []string{"10.0.0.1"}, Now: now}
	pod.Status = Of(in)
	in.Now = now.Add(time.Hour)
	again := Of(in)
	if patch, err := patchFor(pod, again, nil); patch != nil || err != nil {
		t.Errorf("the same facts give another status: %s, %v", patch, err)
	}
	if c := again.Conditions[0]; c.Message != "not ours" {
		t.Errorf("another writer's condition was changed: %+v", c)
	}
}

// A pod that has used up its storage says so as the kubelet's evicted pods do.
func TestEvicted(t *testing.T) {
	in := Input{Pod: podOf("Always", nil, []string{"a"}), Agent: agent(&agentv1.ContainerStatus{Name: "a", State: exited(137)}), Ended: true,
		Failure: &Failure{Reason: ReasonEvicted, Message: "too much"}, Now: now}
	in.Agent.Evicted = "too much"
	s := Of(in)
	if s.Phase != v1.PodFailed || s.Reason != "Evicted" || s.Message != "too much" || !conditionTrue(s.Conditions, v1.DisruptionTarget) {
		t.Errorf("%+v", s)
	}
}

func TestResizing(t *testing.T) {
	list := func(cpu, memory string) v1.ResourceList {
		return v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	}
	allocated := map[string]v1.ResourceRequirements{"a": {Requests: list("100m", "10Mi"), Limits: list("200m", "20Mi")}}
	has := func(limit int64, problem string) *agentv1.PodStatus {
		return agent(&agentv1.ContainerStatus{Name: "a", State: running(), ResizeError: problem, Resources: &agentv1.Resources{
			CpuRequestMilli: 100, CpuLimitMilli: 200, MemoryRequestBytes: 10 << 20, MemoryLimitBytes: limit}})
	}
	in := Input{Pod: podOf("Always", nil, []string{"a"}), Allocated: allocated, Generation: 2, Now: now}
	in.Pod.Generation = 2
	for _, test := range []struct {
		agent  *agentv1.PodStatus
		memory string
		reason string
		is     bool
	}{
		{has(20<<20, ""), "20Mi", "", false},
		{has(30<<20, ""), "30Mi", "", true},
		{has(30<<20, "it uses more"), "30Mi", "Error", true},
	} {
		in.Agent = test.agent
		s := Of(in)
		c := s.ContainerStatuses[0]
		if c.Resources.Limits.Memory().String() != test.memory || c.AllocatedResources.Memory().String() != "10Mi" {
			t.Errorf("resources %v, allocated %v; want a limit of %s", c.Resources, c.AllocatedResources, test.memory)
		}
		i := slices.IndexFunc(s.Conditions, func(c v1.PodCondition) bool { return c.Type == v1.PodResizeInProgress })
		if (i >= 0) != test.is || i >= 0 && s.Conditions[i].Reason != test.reason {
			t.Errorf("conditions %+v", s.Conditions)
		}
		in.Pod.Status = s
	}
}

func TestReadinessGates(t *testing.T) {
	pod := podOf("Always", nil, []string{"a"})
	pod.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "gate"}}
	in := Input{Pod: pod, Agent: agent(&agentv1.ContainerStatus{Name: "a", State: running(), Ready: true}), Now: now}
	if s := Of(in); conditionTrue(s.Conditions, v1.PodReady) || !conditionTrue(s.Conditions, v1.ContainersReady) {
		t.Errorf("with the gate closed: %+v", s.Conditions)
	}
	pod.Status.Conditions = []v1.PodCondition{{Type: "gate", Status: v1.ConditionTrue}}
	if s := Of(in); !conditionTrue(s.Conditions, v1.PodReady) {
		t.Errorf("with the gate open: %+v", s.Conditions)
	}
}

func TestPatchLeavesOthersAlone(t *testing.T) {
	pod := podOf("Always", nil, []string{"a"})
	pod.UID = "u"
	after := pod.Status.DeepCopy()
	after.Conditions = []v1.PodCondition{{Type: v1.PodReady, Status: v1.ConditionTrue, LastTransitionTime: metav1.NewTime(now)}}
	patch, err := patchFor(pod, *after, map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"metadata":{"annotations":{"k":"v"},"uid":"u"},"status":{"conditions":[{"lastProbeTime":null,"lastTransitionTime":"2030-01-02T03:04:05Z","status":"True","type":"Ready"}]}}`
	if string(patch) != want {
		t.Errorf("patch\n%s\nwant\n%s", patch, want)
	}
}

func TestRepository(t *testing.T) {
	for image, want := range map[string]string{
		"10.0.0.1:5000/web:1": "10.0.0.1:5000/web", "web": "web", "r:5000/web": "r:5000/web", "r/web@sha256:ab": "r/web", "r/web:1@sha256:ab": "r/web",
	} {
		if got := Repository(image); got != want {
			t.Errorf("Repository(%s) = %s, want %s", image, got, want)
		}
	}
}

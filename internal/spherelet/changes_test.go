package spherelet

import (
	"bytes"
	"context"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	podapi "pacific/api/pod"
)

// A pod in its machine is changed: an ephemeral container comes, with an image that is not there at first.
func TestEphemeralContainer(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", nil)
	w.await("pod is ready", func() bool { return w.ready("web") })
	w.change("web", func(p *v1.Pod) {
		p.Spec.EphemeralContainers = []v1.EphemeralContainer{{EphemeralContainerCommon: v1.EphemeralContainerCommon{Name: "debug", Image: image}, TargetContainerName: "app"}}
	})
	w.await("it waits for its image", func() bool {
		s := w.get("web").Status
		return len(s.EphemeralContainerStatuses) == 1 && s.EphemeralContainerStatuses[0].State.Waiting != nil && s.Phase == v1.PodRunning && w.ready("web")
	})
	w.change("web", func(p *v1.Pod) {
		annotate(p, podapi.AnnotationImages, podapi.Images{"app": {Reference: image, Digest: digest}, "debug": {Reference: image, Digest: digest}})
	})
	w.await("it runs", func() bool { return w.get("web").Status.EphemeralContainerStatuses[0].State.Running != nil })
	updates := w.agent("web").Updates()
	if c := updates[len(updates)-1].EphemeralContainers; len(c) != 1 || c[0].TargetContainer != "app" || c[0].ImageId != digest {
		t.Errorf("the agent got %v", c)
	}
	if n := len(w.agent("web").Pod().Containers); n != 1 || len(updates) > 2 {
		t.Errorf("%d containers, updates %v", n, updates)
	}
}

// What a variable lacks holds its container; what a volume lacks holds the pod.
func TestMissingConfigMap(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pod("web", func(p *v1.Pod) {
		needy := v1.Container{Name: "needy", Image: image, EnvFrom: []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "later"}}}}}
		p.Spec.Containers = append(p.Spec.Containers, needy)
		annotate(p, podapi.AnnotationImages, podapi.Images{"app": {Reference: image, Digest: digest}, "needy": {Reference: image, Digest: digest}})
	})
	w.await("one runs, one waits", func() bool {
		s := w.get("web").Status.ContainerStatuses
		return len(s) == 2 && s[0].Ready && s[1].State.Waiting != nil && s[1].State.Waiting.Reason == "CreateContainerConfigError" &&
			s[1].State.Waiting.Message == `configmap "later" not found`
	})
	_, err := w.kube.CoreV1().ConfigMaps("default").Create(context.Background(), &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "later", ResourceVersion: "7"}, Data: map[string]string{"K": "v"}}, metav1.CreateOptions{})
	w.check(err)
	w.await("both run", func() bool { return w.ready("web") })
}

// Contents larger than a message go in parts.
func TestLargeVolumes(t *testing.T) {
	w := newWorld(t)
	w.start()
	pod := func(p *v1.Pod) {
		var sources []v1.VolumeProjection
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			data := map[string][]byte{name: bytes.Repeat([]byte(name), 1<<20)}
			_, err := w.kube.CoreV1().ConfigMaps("default").Create(context.Background(), &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, ResourceVersion: "3"}, BinaryData: data}, metav1.CreateOptions{})
			w.check(err)
			sources = append(sources, v1.VolumeProjection{ConfigMap: &v1.ConfigMapProjection{LocalObjectReference: v1.LocalObjectReference{Name: name}}})
		}
		p.Spec.Volumes = []v1.Volume{{Name: "all", VolumeSource: v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{Sources: sources}}}}
	}
	w.pod("web", pod)
	w.await("pod is ready", func() bool { return w.ready("web") })
	w.await("all files have come", func() bool {
		updates := w.agent("web").Updates()
		if len(updates) == 0 {
			return false
		}
		last := updates[len(updates)-1].Volumes
		return len(last) > 0 && !last[len(last)-1].GetFiles().More
	})
	if !w.agent("web").Pod().Volumes[0].GetFiles().More {
		t.Error("the pod was handed over with a volume that says it is complete")
	}
	size := 0
	for _, u := range w.agent("web").Updates() {
		for _, v := range u.Volumes {
			for _, f := range v.GetFiles().Files {
				size += len(f.Data)
			}
		}
	}
	if size != 5<<20 {
		t.Errorf("%d bytes have come", size)
	}
}

func TestResize(t *testing.T) {
	w := newWorld(t)
	w.start()
	set := func(p *v1.Pod, generation int64, cpu, memory string) {
		p.Generation = generation
		p.Spec.Containers[0].Resources = v1.ResourceRequirements{
			Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)},
			Limits:   v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)},
		}
	}
	w.pod("web", func(p *v1.Pod) { set(p, 1, "100m", "64Mi") })
	w.await("pod is ready", func() bool { return w.ready("web") })
	w.change("web", func(p *v1.Pod) { set(p, 2, "200m", "80Mi") })
	w.await("resized", func() bool {
		s := w.get("web").Status
		c := s.ContainerStatuses[0]
		return s.ObservedGeneration == 2 && c.Resources.Limits.Cpu().MilliValue() == 200 && c.AllocatedResources.Memory().Value() == 80<<20 && resizeCondition(&s) == nil
	})
	w.change("web", func(p *v1.Pod) { set(p, 3, "200m", "800Mi") })
	w.await("refused", func() bool {
		s := w.get("web").Status
		c := resizeCondition(&s)
		return s.ObservedGeneration == 3 && c != nil && c.Type == v1.PodResizePending && c.Reason == v1.PodReasonInfeasible && c.ObservedGeneration == 3
	})
	// A spherelet that was killed knows what was allocated.
	w.kill()
	w.start()
	w.await("still refused", func() bool {
		s := w.get("web").Status
		return resizeCondition(&s) != nil && s.ContainerStatuses[0].AllocatedResources.Memory().Value() == 80<<20
	})
	w.change("web", func(p *v1.Pod) { set(p, 4, "100m", "64Mi") })
	w.await("back", func() bool {
		s := w.get("web").Status
		return s.ObservedGeneration == 4 && resizeCondition(&s) == nil && s.ContainerStatuses[0].Resources.Limits.Memory().Value() == 64<<20
	})
	if n := w.host.Machine("uid-web").Starts; n != 1 {
		t.Errorf("machine was started %d times", n)
	}
}

func resizeCondition(s *v1.PodStatus) *v1.PodCondition {
	for i, c := range s.Conditions {
		if c.Type == v1.PodResizePending || c.Type == v1.PodResizeInProgress {
			return &s.Conditions[i]
		}
	}
	return nil
}

// Another image comes to a running container once it is there, and not before.
func TestImageChanges(t *testing.T) {
	const other, otherDigest = "registry.test/other:1", "sha256:bbbb"
	w := newWorld(t)
	w.host.AddImage("registry.test/other", otherDigest)
	w.start()
	w.pod("web", func(p *v1.Pod) { p.Generation = 1 })
	w.await("pod is ready", func() bool { return w.ready("web") })
	w.change("web", func(p *v1.Pod) { p.Generation, p.Spec.Containers[0].Image = 2, other })
	w.await("the change is seen", func() bool { return w.get("web").Status.ObservedGeneration == 2 })
	w.change("web", func(p *v1.Pod) {
		annotate(p, podapi.AnnotationImages, podapi.Images{"app": {Reference: other, Digest: otherDigest}})
	})
	w.await("the agent has it", func() bool {
		for _, u := range w.agent("web").Updates() {
			if len(u.Containers) == 0 {
				continue
			}
			if c := u.Containers[0]; c.ImageId != otherDigest || c.Image != other {
				t.Fatalf("the agent got %v", c)
			}
			return true
		}
		return false
	})
}

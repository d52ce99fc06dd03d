package podworker

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
)

// defaultGrace is the API's default of terminationGracePeriodSeconds.
const defaultGrace = 30

func podFacts(pod *v1.Pod) PodFacts {
	f := PodFacts{
		Deleting:     pod.DeletionTimestamp != nil,
		Terminal:     pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed,
		Images:       imagesState(pod),
		Network:      networkReady(pod),
		Never:        pod.Spec.RestartPolicy == v1.RestartPolicyNever,
		StopGrace:    ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, defaultGrace),
		GraceSeconds: ptr.Deref(pod.DeletionGracePeriodSeconds, defaultGrace),
	}
	if d := pod.Spec.ActiveDeadlineSeconds; d != nil && pod.Status.StartTime != nil {
		f.Deadline = pod.Status.StartTime.Add(time.Duration(*d) * time.Second)
	}
	return f
}

// Images reads the image controller's annotation; one that cannot be read is as good as none, for its writer will
// replace it.
func Images(pod *v1.Pod) podapi.Images {
	images := podapi.Images{}
	if text := pod.Annotations[podapi.AnnotationImages]; text != "" {
		if json.Unmarshal([]byte(text), &images) != nil {
			return podapi.Images{}
		}
	}
	return images
}

func imagesState(pod *v1.Pod) ImagesState {
	images := Images(pod)
	state := ImagesReady
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			switch image := images[c.Name]; {
			case image.Ready():
			case image.Reason != "":
				return ImagesFailed
			default:
				state = ImagesPending
			}
		}
	}
	return state
}

// Network reads the ncp controller's annotation; nil if there is none.
func Network(pod *v1.Pod) *podapi.Network {
	text := pod.Annotations[podapi.AnnotationNetwork]
	if text == "" {
		return nil
	}
	n := &podapi.Network{}
	if json.Unmarshal([]byte(text), n) != nil || len(n.Addresses) == 0 {
		return nil
	}
	return n
}

func networkReady(pod *v1.Pod) bool {
	if Network(pod) == nil {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == podapi.ConditionNetworkReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

// addresses of the pod without prefix lengths.
func addresses(n *podapi.Network) []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, a := range n.Addresses {
		ip, _, _ := strings.Cut(a, "/")
		out = append(out, ip)
	}
	return out
}

func machineFacts(m *hostv1.VirtualMachine) MachineFacts {
	f := MachineFacts{Known: true}
	if m == nil {
		return f
	}
	f.Exists, f.Starts = true, int(m.Starts)
	switch m.Phase {
	case hostv1.VirtualMachine_RUNNING:
		f.Phase = Running
	case hostv1.VirtualMachine_STOPPED:
		f.Phase = Stopped
	}
	if m.StartedAt != nil {
		f.Started = m.StartedAt.AsTime()
	}
	if m.LastExit != nil {
		f.Exited = m.LastExit.At.AsTime()
	}
	return f
}

// metadataMatters tells whether a change of the pod's labels or annotations changes files in it.
func metadataMatters(before, after *v1.Pod) bool {
	if maps.Equal(before.Labels, after.Labels) && maps.Equal(before.Annotations, after.Annotations) {
		return false
	}
	for _, v := range after.Spec.Volumes {
		if v.DownwardAPI != nil {
			return true
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.DownwardAPI != nil && usesMetadata(s.DownwardAPI.Items) {
				return true
			}
		}
	}
	return false
}

func usesMetadata(items []v1.DownwardAPIVolumeFile) bool {
	for _, i := range items {
		if i.FieldRef == nil {
			continue
		}
		if f := i.FieldRef.FieldPath; strings.HasPrefix(f, "metadata.labels") || strings.HasPrefix(f, "metadata.annotations") {
			return true
		}
	}
	return false
}

package podworker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/status"
)

// defaultGrace is the API's default of terminationGracePeriodSeconds.
const defaultGrace = 30

func podFacts(pod *v1.Pod) PodFacts {
	f := PodFacts{
		Deleting:     pod.DeletionTimestamp != nil,
		Terminal:     pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed,
		Images:       imagesState(pod),
		Digests:      digests(pod),
		Revision:     revision(pod),
		Network:      networkReady(pod),
		Never:        pod.Spec.RestartPolicy == v1.RestartPolicyNever,
		Scratch:      len(podspec.ScratchDirs(pod)) > 0,
		Ran:          ran(pod),
		StopGrace:    ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, defaultGrace),
		GraceSeconds: ptr.Deref(pod.DeletionGracePeriodSeconds, defaultGrace),
	}
	if d := pod.Spec.ActiveDeadlineSeconds; d != nil && pod.Status.StartTime != nil {
		f.Deadline = pod.Status.StartTime.Add(time.Duration(*d) * time.Second)
	}
	return f
}

func ran(pod *v1.Pod) bool {
	return slices.ContainsFunc(pod.Status.InitContainerStatuses, status.HasRun) || slices.ContainsFunc(pod.Status.ContainerStatuses, status.HasRun)
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

// imagesState is that of the images without which the pod cannot start. Ephemeral containers wait for theirs alone.
func imagesState(pod *v1.Pod) ImagesState {
	images := Images(pod)
	wanted := map[string]string{}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			wanted[c.Name] = c.Image
		}
	}
	for _, v := range pod.Spec.Volumes {
		if v.Image != nil {
			wanted[podapi.VolumeKey(v.Name)] = v.Image.Reference
		}
	}
	state := ImagesReady
	for name, reference := range wanted {
		switch image := images[name]; {
		case image.Reference != reference: // another one than the pod names by now
			state = ImagesPending
		case image.Ready():
		case image.Reason != "":
			return ImagesFailed
		default:
			state = ImagesPending
		}
	}
	return state
}

// digests of the images that are there, as a text that changes when they do.
func digests(pod *v1.Pod) string {
	var text strings.Builder
	images := Images(pod)
	for _, name := range slices.Sorted(maps.Keys(images)) {
		if images[name].Ready() {
			fmt.Fprintf(&text, "%s=%s ", name, images[name].Digest)
		}
	}
	return text.String()
}

// revision is a digest of the pod's spec, and of its labels and annotations if its configuration has any of them in it.
func revision(pod *v1.Pod) string {
	h := sha256.New()
	spec, _ := pod.Spec.Marshal()
	h.Write(spec)
	if usesMetadata(pod) {
		for _, of := range []map[string]string{pod.Labels, pod.Annotations} {
			for _, key := range slices.Sorted(maps.Keys(of)) {
				if !own(key) {
					fmt.Fprintf(h, "%q=%q ", key, of[key])
				}
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// own annotations change while a pod starts, and nobody projects them.
func own(annotation string) bool {
	return annotation == podapi.AnnotationImages || annotation == podapi.AnnotationImageReferences ||
		annotation == podapi.AnnotationNetwork || annotation == podapi.AnnotationVMUUID
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

// usesMetadata tells whether labels or annotations of the pod are in its files or variables.
func usesMetadata(pod *v1.Pod) bool {
	for _, v := range pod.Spec.Volumes {
		if v.DownwardAPI != nil && projectsMetadata(v.DownwardAPI.Items) {
			return true
		}
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.DownwardAPI != nil && projectsMetadata(s.DownwardAPI.Items) {
				return true
			}
		}
	}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			for _, e := range c.Env {
				if e.ValueFrom != nil && isMetadata(e.ValueFrom.FieldRef) {
					return true
				}
			}
		}
	}
	return false
}

func projectsMetadata(items []v1.DownwardAPIVolumeFile) bool {
	return slices.ContainsFunc(items, func(i v1.DownwardAPIVolumeFile) bool { return isMetadata(i.FieldRef) })
}

func isMetadata(ref *v1.ObjectFieldSelector) bool {
	return ref != nil && (strings.HasPrefix(ref.FieldPath, "metadata.labels") || strings.HasPrefix(ref.FieldPath, "metadata.annotations"))
}

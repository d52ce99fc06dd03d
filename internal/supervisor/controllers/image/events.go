package image

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"pacific/api/pod"
)

// tell makes the events that go with a change of what is shown, as the kubelet has them.
func (c *Controller) tell(p *corev1.Pod, state *podState, images pod.Images) {
	for name, image := range images {
		before := state.shown[name]
		state.shown[name] = image.Reason
		if image.Reason == before {
			continue
		}
		switch image.Reason {
		case reasonBadName:
			c.event(p, name, corev1.EventTypeWarning, "InspectFailed", image.Message)
			c.event(p, name, corev1.EventTypeWarning, "Failed", "Error: "+reasonBadName)
		case reasonBackOff:
			c.event(p, name, corev1.EventTypeNormal, "BackOff", fmt.Sprintf("Back-off pulling image %q", image.Reference))
			c.event(p, name, corev1.EventTypeWarning, "Failed", "Error: "+reasonBackOff)
		case reasonPull, reasonNever:
			c.event(p, name, corev1.EventTypeWarning, "Failed", "Error: "+image.Reason)
		}
	}
}

func (c *Controller) event(p *corev1.Pod, container, eventType, reason, message string) {
	c.Recorder.Event(&corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion,
		FieldPath: fieldPath(p, container),
	}, eventType, reason, message)
}

// fieldPath is how the kubelet names a container in events; for an image volume the event is about the pod.
func fieldPath(p *corev1.Pod, name string) string {
	if pod.IsVolumeKey(name) {
		return ""
	}
	for _, c := range p.Spec.InitContainers {
		if c.Name == name {
			return fmt.Sprintf("spec.initContainers{%s}", name)
		}
	}
	for _, c := range p.Spec.EphemeralContainers {
		if c.Name == name {
			return fmt.Sprintf("spec.ephemeralContainers{%s}", name)
		}
	}
	return fmt.Sprintf("spec.containers{%s}", name)
}

// pulledText is the kubelet's: pulling and waiting is the time that a pull had to wait for its turn, too.
func pulledText(image string, pulling, andWaiting time.Duration, size uint64) string {
	return fmt.Sprintf("Successfully pulled image %q in %v (%v including waiting). Image size: %d bytes.",
		image, pulling.Truncate(time.Millisecond), andWaiting.Truncate(time.Millisecond), size)
}

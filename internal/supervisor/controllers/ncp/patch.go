package ncp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	podapi "pacific/api/pod"
)

const reasonExhausted = "AddressesExhausted"

// annotate writes the annotation unless the pod has it already.
func (c *Controller) annotate(ctx context.Context, pod *corev1.Pod, network podapi.Network) error {
	value, err := json.Marshal(network)
	if err != nil {
		return err
	}
	if pod.Annotations[podapi.AnnotationNetwork] == string(value) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         pod.UID,
		"annotations": map[string]string{podapi.AnnotationNetwork: string(value)},
	}})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

// reportExhausted tells on the pod why it does not start. It is no error: an address that is freed wakes the pod.
func (c *Controller) reportExhausted(ctx context.Context, pod *corev1.Pod, prefix netip.Prefix) error {
	message := fmt.Sprintf("node %s has no free address in %s; the pod gets the next one that is freed, or delete it to have it scheduled elsewhere",
		pod.Spec.NodeName, prefix)
	if current := condition(pod); current != nil && current.Status == corev1.ConditionFalse && current.Message == message {
		return nil
	}
	c.recorder.Event(pod, corev1.EventTypeWarning, reasonExhausted, message)
	return ignoreGone(c.setCondition(ctx, pod, corev1.ConditionFalse, reasonExhausted, message))
}

// clearExhausted takes back what reportExhausted told. Other pods never have the condition.
func (c *Controller) clearExhausted(ctx context.Context, pod *corev1.Pod) error {
	if current := condition(pod); current == nil || current.Status == corev1.ConditionTrue {
		return nil
	}
	return c.setCondition(ctx, pod, corev1.ConditionTrue, "AddressAllocated", "")
}

func condition(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == podapi.ConditionAddressAllocated {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func (c *Controller) setCondition(ctx context.Context, pod *corev1.Pod, status corev1.ConditionStatus, reason, message string) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"status": map[string]any{"conditions": []map[string]any{{
			"type": podapi.ConditionAddressAllocated, "status": status, "reason": reason, "message": message,
			"lastTransitionTime": metav1.Now(),
		}}},
	})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

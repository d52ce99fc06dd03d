package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/onemachine"
)

func (d *Demo) awaitReplicas(ctx context.Context, note func(string)) error {
	return onemachine.Await(ctx, note, func(ctx context.Context) error {
		deployment, err := d.client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return onemachine.Pending("the Deployment: " + err.Error())
		}
		want := *deployment.Spec.Replicas
		rolledOut := deployment.Status.ObservedGeneration >= deployment.Generation && deployment.Status.UpdatedReplicas == want &&
			deployment.Status.Replicas == want
		if rolledOut && deployment.Status.ReadyReplicas == want {
			return nil
		}
		waits := fmt.Sprintf("%d of %d replicas to be ready", want-deployment.Status.ReadyReplicas, want)
		pods, err := d.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err == nil {
			waits = strings.Join(append([]string{waits}, stuck(pods.Items)...), "; ")
		}
		return onemachine.Pending(waits)
	})
}

// stuck says of every pod that is not ready what it waits for.
func stuck(pods []corev1.Pod) []string {
	var reasons []string
	for _, pod := range pods {
		if reason := whyNotReady(pod); reason != "" {
			reasons = append(reasons, pod.Name+" "+reason)
		}
	}
	slices.Sort(reasons)
	return reasons
}

func whyNotReady(pod corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "is being deleted"
	}
	for _, status := range pod.Status.ContainerStatuses {
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "" {
			return strings.TrimSuffix(waiting.Reason+": "+waiting.Message, ": ")
		}
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.ContainersReady, corev1.PodReady} {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == kind && condition.Status == corev1.ConditionFalse {
				return strings.TrimSuffix(condition.Reason+": "+condition.Message, ": ")
			}
		}
	}
	if pod.Status.Phase != corev1.PodRunning {
		return "is " + string(pod.Status.Phase)
	}
	return ""
}

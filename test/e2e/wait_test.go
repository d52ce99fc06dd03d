//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// podLimit is for a pod on a busy machine without KVM whose image is not there yet.
const podLimit = 2 * time.Minute

// eventually checks a condition until it holds; the error of the last check is the reason when it never does.
func eventually(t *testing.T, limit time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var last error
	for {
		if err := check(ctx); err == nil {
			return
		} else if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %v", what, limit, last)
		case <-ticker.C:
		}
	}
}

func getPod(ctx context.Context, namespace, name string) (*corev1.Pod, error) {
	return cluster.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
}

// mustGetPod returns the pod as it is now.
func mustGetPod(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	pod, err := getPod(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// awaitPod waits until accept returns nil for the pod; on failure the pod's events are shown.
func awaitPod(t *testing.T, namespace, name, what string, accept func(*corev1.Pod) error) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("pod %s/%s:\n%s", namespace, name, describe(namespace, name))
		}
	})
	eventually(t, podLimit, fmt.Sprintf("pod %s/%s %s", namespace, name, what), func(ctx context.Context) (err error) {
		if pod, err = getPod(ctx, namespace, name); err != nil {
			return err
		}
		return accept(pod)
	})
	return pod
}

func describe(namespace, name string) string {
	// The test's context is over when its clean-up runs.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, _ := kubectlCommand(ctx, "describe", "pod", "-n", namespace, name).CombinedOutput()
	return string(out)
}

// awaitReady waits until the pod is Ready.
func awaitReady(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	return awaitPod(t, namespace, name, "is Ready", func(pod *corev1.Pod) error {
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return nil
			}
		}
		return fmt.Errorf("it is %s: %s", pod.Status.Phase, containersText(pod))
	})
}

// awaitPhase waits until the pod is in a phase.
func awaitPhase(t *testing.T, namespace, name string, phase corev1.PodPhase) *corev1.Pod {
	t.Helper()
	return awaitPod(t, namespace, name, "is "+string(phase), func(pod *corev1.Pod) error {
		if pod.Status.Phase == phase {
			return nil
		}
		return fmt.Errorf("it is %s: %s", pod.Status.Phase, containersText(pod))
	})
}

func containersText(pod *corev1.Pod) string {
	var parts []string
	for _, c := range pod.Status.ContainerStatuses {
		parts = append(parts, fmt.Sprintf("%s %+v", c.Name, c.State))
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			parts = append(parts, fmt.Sprintf("%s=%s %s %s", c.Type, c.Status, c.Reason, c.Message))
		}
	}
	return strings.Join(parts, "; ")
}

// awaitEvent waits for an event of the pod that has all the parts in its reason and message.
func awaitEvent(t *testing.T, namespace, pod string, parts ...string) {
	t.Helper()
	eventually(t, podLimit, fmt.Sprintf("event %q of pod %s", parts, pod), func(ctx context.Context) error {
		events, err := cluster.client.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		var have []string
		for _, e := range events.Items {
			text := e.Reason + ": " + e.Message
			if e.InvolvedObject.Name == pod && containsAll(text, parts) {
				return nil
			}
			have = append(have, text)
		}
		return fmt.Errorf("events are %q", have)
	})
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(part)) {
			return false
		}
	}
	return true
}

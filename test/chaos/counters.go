package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What runs here counts aloud, from 0 on in each run, and says lastWord when it has done its work.
const lastWord = "done"

// counterProblem says what is wrong with the log of one run; nothing if it counts without a gap. A complete one ends with
// the last word.
func counterProblem(log string, complete bool) string {
	lines := strings.Fields(log)
	ended := len(lines) > 0 && lines[len(lines)-1] == lastWord
	if ended {
		lines = lines[:len(lines)-1]
	}
	for i, line := range lines {
		if line != strconv.Itoa(i) {
			return fmt.Sprintf("line %d of its log is %q", i, line)
		}
	}
	if complete && !ended {
		return fmt.Sprintf("its log ends after %d lines without its last word", len(lines))
	}
	return ""
}

// logProblems reads the logs of all pods. Those of a pod whose machine was killed when it had ended died with the machine.
func (l *load) logProblems(ctx context.Context) ([]string, error) {
	list, err := l.Client.CoreV1().Pods(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	kills := l.hits.all()
	var found []string
	for _, pod := range list.Items {
		undisturbed := kills[string(pod.UID)] == 0
		if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || over(pod) && !undisturbed {
			continue
		}
		log, err := l.log(ctx, pod.Name, false)
		if err != nil {
			found = append(found, fmt.Sprintf("pod %s on %s: %v", pod.Name, pod.Spec.NodeName, err))
		} else if problem := counterProblem(log, over(pod)); problem != "" {
			found = append(found, fmt.Sprintf("pod %s on %s: %s", pod.Name, pod.Spec.NodeName, problem))
		}
		if len(pod.Status.ContainerStatuses) == 0 || pod.Status.ContainerStatuses[0].RestartCount == 0 {
			continue
		}
		if log, err = l.log(ctx, pod.Name, true); err != nil {
			found = append(found, fmt.Sprintf("pod %s on %s, the run before: %v", pod.Name, pod.Spec.NodeName, err))
		} else if problem := counterProblem(log, false); problem != "" {
			found = append(found, fmt.Sprintf("pod %s on %s, the run before: %s", pod.Name, pod.Spec.NodeName, problem))
		}
	}
	return found, nil
}

func (l *load) log(ctx context.Context, pod string, previous bool) (string, error) {
	text, err := l.Client.CoreV1().Pods(l.namespace).GetLogs(pod, &corev1.PodLogOptions{Container: "c", Previous: previous}).DoRaw(ctx)
	return string(text), err
}

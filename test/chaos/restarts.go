package chaos

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// restartProblems compares what the pods say of their starts with what was done to them and what the witness heard. kills
// are those of each pod's machine, by UID. Nothing that is run here ends by itself before its time, so that
//   - a pod has restarted at most as often as its machine was killed,
//   - a run that lived for two beats was counted,
//   - a pod whose machine nobody killed has not failed.
func restartProblems(pods []corev1.Pod, kills map[string]int, beats []Beat) []string {
	runs := runsOf(beats)
	var found []string
	for _, pod := range pods {
		killed := kills[string(pod.UID)]
		restarts := 0
		if len(pod.Status.ContainerStatuses) > 0 {
			restarts = int(pod.Status.ContainerStatuses[0].RestartCount)
		}
		if restarts > killed {
			found = append(found, fmt.Sprintf("pod %s on %s restarted %d times, its machine was killed %d times: %s",
				pod.Name, pod.Spec.NodeName, restarts, killed, lastEnd(pod)))
		}
		if heard := runs[string(pod.UID)]; heard > restarts+1 {
			found = append(found, fmt.Sprintf("pod %s on %s counts %d restarts, the witness heard %d runs", pod.Name, pod.Spec.NodeName, restarts, heard))
		}
		if pod.Status.Phase == corev1.PodFailed && killed == 0 && pod.DeletionTimestamp == nil {
			found = append(found, fmt.Sprintf("pod %s on %s failed, and nobody killed its machine: %s %s; %s",
				pod.Name, pod.Spec.NodeName, pod.Status.Reason, pod.Status.Message, lastEnd(pod)))
		}
	}
	slices.Sort(found)
	return found
}

// runsOf counts by the UID of their pod the runs that were heard twice. The name of a run begins with it, see [Witness.script].
func runsOf(beats []Beat) map[string]int {
	times, runs := map[string]int{}, map[string]int{}
	for _, b := range beats {
		if times[b.Run]++; times[b.Run] == 2 {
			pod, _, _ := strings.Cut(b.Run, "/")
			runs[pod]++
		}
	}
	return runs
}

// lastEnd is how the pod's container ended.
func lastEnd(pod corev1.Pod) string {
	for _, c := range pod.Status.ContainerStatuses {
		for _, end := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if end != nil {
				return fmt.Sprintf("container %s ended with %d, %s %s", c.Name, end.ExitCode, end.Reason, end.Message)
			}
		}
	}
	return "no container has ended"
}

package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hostv1 "pacific/api/host/v1"
	"pacific/internal/onemachine"
)

// problems are the reasons why the instance has not converged; none when it has.
func (l *load) problems(ctx context.Context) []string {
	if found := l.daemonProblems(ctx); len(found) > 0 {
		return found // all else follows from it
	}
	return l.look(ctx, l.workloadProblems, l.jobProblems, l.podProblems, l.hostProblems)
}

// lasting are problems that no waiting mends.
func (l *load) lasting(ctx context.Context) []string {
	var found []string
	for _, o := range overlaps(l.witness.heard()) {
		found = append(found, "what must never run twice at once did: "+o.String())
	}
	return append(found, l.look(ctx, l.countProblems, l.logProblems)...)
}

func (l *load) look(ctx context.Context, looks ...func(context.Context) ([]string, error)) []string {
	var found []string
	for _, look := range looks {
		problems, err := look(ctx)
		found = append(found, problems...)
		if err != nil {
			found = append(found, err.Error())
		}
	}
	return found
}

func (l *load) countProblems(ctx context.Context) ([]string, error) {
	list, err := l.Client.CoreV1().Pods(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return restartProblems(list.Items, l.hits.all(), l.witness.heard()), nil
}

func (l *load) daemonProblems(ctx context.Context) []string {
	status := onemachine.GetStatus(ctx, l.Instance)
	var found []string
	for _, d := range status.Daemons {
		if d.PID == 0 {
			found = append(found, fmt.Sprintf("daemon %s does not run; it ended %d times, last: %s", d.Name, d.Ends, d.LastEnd))
		}
	}
	if !status.Supervisor.Ready {
		found = append(found, "supervisor: "+status.Supervisor.Message)
	}
	if !status.Registry.Ready {
		found = append(found, "registry: "+status.Registry.Message)
	}
	for _, host := range status.Hosts {
		if !host.Ready {
			found = append(found, host.Name+": "+host.Message)
		}
	}
	return found
}

func (l *load) workloadProblems(ctx context.Context) ([]string, error) {
	var found []string
	deployments, err := l.Client.AppsV1().Deployments(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, d := range deployments.Items {
		want, s := *d.Spec.Replicas, d.Status
		if s.ObservedGeneration != d.Generation || s.Replicas != want || s.UpdatedReplicas != want || s.AvailableReplicas != want {
			found = append(found, fmt.Sprintf("deployment %s wants %d: %d are there, %d updated, %d available", d.Name, want, s.Replicas, s.UpdatedReplicas, s.AvailableReplicas))
		}
	}
	sets, err := l.Client.AppsV1().StatefulSets(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, set := range sets.Items {
		if want, s := *set.Spec.Replicas, set.Status; s.Replicas != want || s.AvailableReplicas != want {
			found = append(found, fmt.Sprintf("stateful set %s wants %d: %d are there, %d available", set.Name, want, s.Replicas, s.AvailableReplicas))
		}
	}
	return found, nil
}

// jobProblems: every job completes, and each completion that is counted really came to its end.
func (l *load) jobProblems(ctx context.Context) ([]string, error) {
	list, err := l.Client.BatchV1().Jobs(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var found []string
	beats := l.witness.heard()
	for _, job := range list.Items {
		done, how := finished(job)
		switch {
		case !done:
			found = append(found, fmt.Sprintf("job %s is not over: %d active, %d succeeded, %d failed", job.Name, job.Status.Active, job.Status.Succeeded, job.Status.Failed))
		case how != "Complete":
			found = append(found, fmt.Sprintf("job %s is %s: %v", job.Name, how, job.Status.Conditions))
		case strings.HasPrefix(job.Name, "exclusive-") && ended(beats, job.Name) < int(job.Status.Succeeded):
			found = append(found, fmt.Sprintf("job %s counts %d successes, but the witness heard the end of %d", job.Name, job.Status.Succeeded, ended(beats, job.Name)))
		}
	}
	return found, nil
}

// podProblems: no pod is stuck on its way up or down.
func (l *load) podProblems(ctx context.Context) ([]string, error) {
	list, err := l.Client.CoreV1().Pods(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, pod := range list.Items {
		switch {
		case pod.DeletionTimestamp != nil:
			found = append(found, fmt.Sprintf("pod %s on %s is being deleted since %s", pod.Name, pod.Spec.NodeName, pod.DeletionTimestamp))
		case !over(pod) && !ready(pod):
			found = append(found, fmt.Sprintf("pod %s on %s is %s and not ready: %s", pod.Name, pod.Spec.NodeName, pod.Status.Phase, state(pod)))
		}
	}
	return found, nil
}

func ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// state says why a pod is not ready.
func state(pod corev1.Pod) string {
	var parts []string
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil:
			parts = append(parts, fmt.Sprintf("waiting: %s %s, %d restarts", c.State.Waiting.Reason, c.State.Waiting.Message, c.RestartCount))
		case c.State.Terminated != nil:
			parts = append(parts, fmt.Sprintf("ended: %s %s, %d restarts", c.State.Terminated.Reason, c.State.Terminated.Message, c.RestartCount))
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			parts = append(parts, fmt.Sprintf("%s=%s %s %s", c.Type, c.Status, c.Reason, c.Message))
		}
	}
	return strings.Join(parts, "; ")
}

func processes(inventory *hostv1.GetInventoryResponse) map[int]bool {
	pids := map[int]bool{}
	for _, m := range inventory.Machines {
		pids[int(m.Pid)] = true
	}
	return pids
}

// hostProblems: the hosts have what the API server says, and nothing else.
func (l *load) hostProblems(ctx context.Context) ([]string, error) {
	// Before the pods, so that a pod that is new since cannot be missed.
	inventories := map[string]*hostv1.GetInventoryResponse{}
	for _, host := range l.Hosts() {
		inventory, err := l.Inventory(ctx, host)
		if err != nil {
			return nil, err
		}
		inventories[host] = inventory
	}
	pods, err := l.Client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	found := append(mismatches(pods.Items, inventories), sharedAddresses(pods.Items)...)
	want := wantedNetworks(l.Hosts(), pods.Items)
	for _, host := range l.Hosts() {
		have, err := l.network(ctx, host)
		if err != nil {
			return found, err
		}
		found = append(found, networkMismatches(host, want[host], have)...)
		left, err := l.fileProblems(host, pods.Items, inventories[host])
		if err != nil {
			return found, err
		}
		standbys, err := l.standbyProblems(ctx, host, processes(inventories[host]))
		if err != nil {
			return found, err
		}
		found = append(append(found, left...), standbys...)
	}
	return found, nil
}

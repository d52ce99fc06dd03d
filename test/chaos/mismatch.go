package chaos

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	hostv1 "pacific/api/host/v1"
)

// mismatches between what the API server says of pods and what is on the hosts. Every machine has its pod and every pod that
// is not over has its machine, on the right host and running; every tap, disk and cgroup has an owner.
func mismatches(pods []corev1.Pod, inventories map[string]*hostv1.GetInventoryResponse) []string {
	var found []string
	wanted := map[string]corev1.Pod{}
	for _, pod := range pods {
		if pod.Spec.NodeName != "" && !over(pod) {
			wanted[string(pod.UID)] = pod
		}
	}
	for host, inventory := range inventories {
		for _, m := range inventory.Machines {
			pod, ok := wanted[m.Id]
			switch {
			case !ok || pod.Spec.NodeName != host:
				found = append(found, fmt.Sprintf("%s has machine %s (%s%s, %s, process %d) without a pod", host, m.Id, m.Name, m.Personality, m.Phase, m.Pid))
				continue
			case m.Pid == 0:
				found = append(found, fmt.Sprintf("the machine of pod %s/%s on %s does not run: %s", pod.Namespace, pod.Name, host, m.Phase))
			}
			delete(wanted, m.Id)
		}
		found = append(found, orphans(host, "tap", inventory.Taps)...)
		found = append(found, orphans(host, "disk", inventory.Disks)...)
		found = append(found, orphans(host, "cgroup", inventory.Cgroups)...)
		if n := running(inventory); len(inventory.Taps) != n {
			found = append(found, fmt.Sprintf("%s has %d machines that run and %d taps", host, n, len(inventory.Taps)))
		}
	}
	for _, pod := range wanted {
		found = append(found, fmt.Sprintf("pod %s/%s has no machine on %s", pod.Namespace, pod.Name, pod.Spec.NodeName))
	}
	slices.Sort(found)
	return found
}

// over tells whether a pod has ended for good. Its machine is gone, its object may stay.
func over(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func orphans(host, kind string, items []*hostv1.InventoryItem) []string {
	var found []string
	for _, item := range items {
		if item.Owner == "" {
			found = append(found, fmt.Sprintf("%s has %s %s without an owner", host, kind, item.Name))
		}
	}
	return found
}

func running(inventory *hostv1.GetInventoryResponse) (n int) {
	for _, m := range inventory.Machines {
		if m.Pid != 0 {
			n++
		}
	}
	return n
}

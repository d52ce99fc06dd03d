package eviction

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	podresources "k8s.io/component-helpers/resource"

	"pacific/internal/spherelet/qos"
)

// Usage of a pod.
type Usage struct {
	Pod *v1.Pod
	// Known is false for a pod whose agent did not answer.
	Known      bool
	Containers []Container
	// DiskBytes of the pod's ephemeral disk: containers, logs, emptyDirs.
	DiskBytes int64
}

// Container of a pod and what it uses.
type Container struct {
	Name        string
	MemoryBytes int64 // working set
	DiskBytes   int64 // written files and logs
	Processes   int64
}

// rank puts those first that go first, as the kubelet does (pkg/kubelet/eviction/helpers.go): those that nothing is known
// of, those that use more than they requested, those of lower priority, those that use most beyond their requests.
func rank(pods []Usage, signal Signal) {
	slices.SortStableFunc(pods, func(a, b Usage) int {
		if a.Known != b.Known && signal != PIDAvailable {
			return before(!a.Known, !b.Known)
		}
		x, y := a.beyond(signal), b.beyond(signal)
		if signal != PIDAvailable {
			if order := before(x > 0, y > 0); order != 0 {
				return order
			}
		}
		return cmp.Or(cmp.Compare(qos.Priority(a.Pod), qos.Priority(b.Pod)), cmp.Compare(y, x))
	})
}

func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// beyond is how much more than it requested the pod uses.
func (u Usage) beyond(signal Signal) int64 {
	requests := podresources.PodRequests(u.Pod, podresources.PodResourcesOptions{ExcludeOverhead: true})
	var sum int64
	for _, c := range u.Containers {
		switch signal {
		case MemoryAvailable:
			sum += c.MemoryBytes
		case PIDAvailable:
			sum += c.Processes
		}
	}
	switch signal {
	case MemoryAvailable:
		return sum - requests.Memory().Value()
	case PIDAvailable:
		return sum
	default:
		return u.DiskBytes - requests.StorageEphemeral().Value()
	}
}

// message has the kubelet's words, which tools look for.
func message(u Usage, signal Signal, threshold, available *resource.Quantity) string {
	var text strings.Builder
	fmt.Fprintf(&text, "The node was low on resource: %v. Threshold quantity: %v, available: %v. ", signal.Resource(), threshold, available)
	for _, list := range [][]v1.Container{u.Pod.Spec.Containers, u.Pod.Spec.InitContainers} {
		for _, spec := range list {
			used, ok := u.of(spec.Name, signal)
			request := spec.Resources.Requests[signal.Resource()]
			if ok && used.Cmp(request) > 0 {
				fmt.Fprintf(&text, "Container %s was using %s, request is %s, has larger consumption of %v. ",
					spec.Name, used.String(), request.String(), signal.Resource())
			}
		}
	}
	return text.String()
}

func (u Usage) of(container string, signal Signal) (resource.Quantity, bool) {
	for _, c := range u.Containers {
		switch {
		case c.Name != container:
		case signal == MemoryAvailable:
			return *resource.NewQuantity(c.MemoryBytes, resource.BinarySI), true
		case signal == NodeFSAvailable:
			return *resource.NewQuantity(c.DiskBytes, resource.BinarySI), true
		}
	}
	return resource.Quantity{}, false
}

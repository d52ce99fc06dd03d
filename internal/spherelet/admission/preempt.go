package admission

import (
	"math"

	v1 "k8s.io/api/core/v1"

	"pacific/internal/spherelet/qos"
)

// Words of a pod that made room for a critical one; they are the kubelet's.
const (
	ReasonPreempted    = "Preempting"
	MessagePreempted   = "Preempted in order to admit critical pod"
	ConditionPreempted = "Pod was preempted by Kubelet to accommodate a critical pod."
)

// Victims are the pods that have to go so that a critical pod gets what is short, as the kubelet chooses them: as few
// guaranteed ones as possible, then burstable ones, and of each class those that fit the need best. It returns nil when
// the pods that may be preempted do not have enough.
func Victims(pod *v1.Pod, others []*v1.Pod, short []Shortage) []*v1.Pod {
	classes := map[v1.PodQOSClass][]*v1.Pod{}
	for _, other := range others {
		if preemptable(pod, other) {
			classes[qos.Class(other)] = append(classes[qos.Class(other)], other)
		}
	}
	best, burst, guaranteed := classes[v1.PodQOSBestEffort], classes[v1.PodQOSBurstable], classes[v1.PodQOSGuaranteed]
	if len(less(less(less(short, best), burst), guaranteed)) > 0 {
		return nil
	}
	guaranteed = closest(guaranteed, less(less(short, best), burst))
	burst = closest(burst, less(less(short, best), guaranteed))
	best = closest(best, less(less(short, burst), guaranteed))
	return append(append(best, burst...), guaranteed...)
}

func preemptable(by, pod *v1.Pod) bool {
	if qos.Critical(by) && !qos.Critical(pod) {
		return true
	}
	return qos.Priority(by) > qos.Priority(pod)
}

// less is what stays short without the pods.
func less(short []Shortage, pods []*v1.Pod) []Shortage {
	var left []Shortage
	for _, s := range short {
		for _, p := range pods {
			s.Missing -= Needs(p)[s.Resource]
		}
		if s.Missing > 0 {
			left = append(left, s)
		}
	}
	return left
}

// closest takes pods until nothing is short, each time the one that leaves least to be wished.
func closest(pods []*v1.Pod, short []Shortage) []*v1.Pod {
	pods = append([]*v1.Pod(nil), pods...)
	var chosen []*v1.Pod
	for len(short) > 0 && len(pods) > 0 {
		best := 0
		for i := range pods {
			d, least := distance(pods[i], short), distance(pods[best], short)
			if d < least || d == least && smaller(pods[i], pods[best]) {
				best = i
			}
		}
		chosen = append(chosen, pods[best])
		short = less(short, pods[best:best+1])
		pods = append(pods[:best], pods[best+1:]...)
	}
	return chosen
}

func distance(pod *v1.Pod, short []Shortage) float64 {
	sum := 0.0
	needs := Needs(pod)
	for _, s := range short {
		if left := float64(s.Missing - needs[s.Resource]); left > 0 {
			sum += math.Pow(left/float64(s.Missing), 2)
		}
	}
	return sum
}

func smaller(a, b *v1.Pod) bool {
	for _, name := range []v1.ResourceName{v1.ResourceMemory, v1.ResourceCPU} {
		if x, y := Needs(a)[name], Needs(b)[name]; x != y {
			return x < y
		}
	}
	return true
}

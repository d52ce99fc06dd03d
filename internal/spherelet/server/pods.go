package server

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"pacific/internal/spherelet/podworker"
)

// known are the node's pods with the status as the spherelet knows it.
func (s *Server) known() []v1.Pod {
	list := []v1.Pod{}
	for _, worker := range s.Pods.Workers() {
		if pod, err := worker.Status(); err == nil {
			list = append(list, *pod)
		}
	}
	return sorted(list)
}

func sorted(pods []v1.Pod) []v1.Pod {
	slices.SortFunc(pods, func(a, b v1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return pods
}

func podList(pods []v1.Pod) v1.PodList {
	return v1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: pods}
}

func (s *Server) pods(w http.ResponseWriter, _ *http.Request) { writeJSON(w, podList(s.known())) }

// runningPods shows, as the kubelet does, names and containers of what really runs, and nothing of what is wanted.
func (s *Server) runningPods(w http.ResponseWriter, _ *http.Request) {
	list := []v1.Pod{}
	for _, pod := range s.known() {
		if running := runningContainers(&pod); len(running) > 0 {
			list = append(list, v1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID},
				Spec:       v1.PodSpec{Containers: running},
			})
		}
	}
	writeJSON(w, podList(list))
}

func statuses(pod *v1.Pod) []v1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses)
}

func runningContainers(pod *v1.Pod) []v1.Container {
	var running []v1.Container
	for _, c := range statuses(pod) {
		if c.State.Running != nil {
			running = append(running, v1.Container{Name: c.Name, Image: c.ImageID, Resources: v1.ResourceRequirements{}})
		}
	}
	return running
}

// podCounts counts pods and containers at a scrape, under the kubelet's names (pkg/kubelet/metrics).
type podCounts struct {
	pods     *podworker.Manager
	nodeName string
}

var (
	nodeName          = prometheus.NewDesc("kubelet_node_name", "The node's name. The count is always 1.", []string{"node"}, nil)
	runningPodsCount  = prometheus.NewDesc("kubelet_running_pods", "Number of pods that have a running pod sandbox", nil, nil)
	containersByState = prometheus.NewDesc("kubelet_running_containers", "Number of containers currently running", []string{"container_state"}, nil)
	desiredPods       = prometheus.NewDesc("kubelet_desired_pods", "The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.", []string{"static"}, nil)
)

// PodCounts is a collector for the metrics of the spherelet.
func PodCounts(pods *podworker.Manager, nodeName string) prometheus.Collector {
	return podCounts{pods: pods, nodeName: nodeName}
}

// Describe implements prometheus.Collector.
func (podCounts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{nodeName, runningPodsCount, containersByState, desiredPods} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c podCounts) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value int, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	gauge(nodeName, 1, c.nodeName)
	running, desired, states := 0, 0, map[string]int{"created": 0, "running": 0, "exited": 0}
	for _, worker := range c.pods.Workers() {
		if _, err := worker.Link(); err == nil {
			running++
		}
		pod, err := worker.Status()
		if err != nil {
			continue
		}
		desired++
		for _, s := range statuses(pod) {
			switch {
			case s.State.Running != nil:
				states["running"]++
			case s.State.Terminated != nil:
				states["exited"]++
			default:
				states["created"]++
			}
		}
	}
	gauge(runningPodsCount, running)
	gauge(desiredPods, desired, "false")
	for state, count := range states {
		gauge(containersByState, count, state)
	}
}

package podworker

import (
	"errors"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/status"
)

// status computes what the API server should have; see status.NewWriter.
func (w *Worker) status() (*v1.Pod, v1.PodStatus, map[string]string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pod == nil || w.state.Pod.Gone || w.foreign {
		return nil, v1.PodStatus{}, nil, false
	}
	if w.rejection != nil {
		return w.pod, status.Rejected(w.pod, status.Failure{Reason: w.rejection.Reason, Message: w.rejection.Message()}, time.Now()), nil, true
	}
	if w.state.Admission == Undecided && !w.state.Pod.Deleting && w.state.Outcome == NoOutcome {
		return nil, v1.PodStatus{}, nil, false
	}
	out := status.Of(w.statusInput())
	if ended := out.Phase == v1.PodSucceeded || out.Phase == v1.PodFailed; ended && w.state.leavesScratch() {
		return nil, v1.PodStatus{}, nil, false // whoever waits for this pod's end may start one that needs its files
	}
	if isReady(&v1.Pod{Status: out}) {
		w.node.Starts.Reached(w.uid, podstarts.Ready, time.Now())
	}
	return w.pod, out, map[string]string{podapi.AnnotationVMUUID: podapi.MachineID(w.uid)}, true
}

// statusInput is called with the lock held.
func (w *Worker) statusInput() status.Input {
	s := w.state
	in := status.Input{
		Pod:          w.pod,
		Agent:        w.agent,
		Images:       Images(w.pod),
		Addresses:    podspec.PodIPs(w.pod, addresses(Network(w.pod)), w.node.Environment.HostIPs),
		HostIPs:      w.node.Environment.HostIPs,
		ConfigErrors: w.problems,
		Ended:        s.Pod.Deleting && s.Machine.Known && !s.Machine.Exists || s.Outcome != NoOutcome && !w.running(),
		Allocated:    w.kept.Allocated,
		Resize:       w.resize.condition(w.pod),
		Generation:   w.observed(),
		Now:          time.Now(),
	}
	if s.HandedOver && (w.died || s.Outcome == MachineDied) {
		in.Dead = w.termination()
		if delay := restartDelay(s.Crashes); delay > 0 && s.Machine.Phase == Stopped && s.Outcome == NoOutcome {
			in.BackOff = fmt.Sprintf("back-off %s restarting the pod's virtual machine, which ended: %s: %s", delay, in.Dead.Reason, in.Dead.Message)
		}
	}
	switch {
	case s.Outcome == MachineDied:
		e := w.exit()
		in.Failure = &status.Failure{Reason: e.Reason, Message: "The pod's virtual machine ended: " + e.Message}
	case s.Outcome == Completed && w.agent.GetEvicted() != "":
		in.Failure = &status.Failure{Reason: status.ReasonEvicted, Message: w.agent.GetEvicted()}
	case s.Outcome == DeadlineExceeded && in.Ended, s.Outcome == Completed && deadlineHit(w.agent):
		in.Failure = &status.Failure{Reason: reasonDeadline, Message: "Pod was active on the node longer than the specified deadline"}
	}
	if e := w.kept.Eviction; e != nil && s.Outcome == Evicted {
		in.Disruption = e.Condition
		if in.Ended {
			in.Failure = &status.Failure{Reason: e.Reason, Message: e.Message}
		}
	}
	return in
}

const reasonDeadline = "DeadlineExceeded"

// deadlineHit: the agent keeps the active deadline too, for the time when no spherelet looks.
func deadlineHit(a *agentv1.PodStatus) bool {
	for _, e := range a.GetEvents() {
		if e.Reason == reasonDeadline {
			return true
		}
	}
	return false
}

// running tells whether containers may still run after the outcome is known; called with the lock held.
func (w *Worker) running() bool {
	forced := w.state.Outcome == DeadlineExceeded || w.state.Outcome == Evicted
	return forced && w.state.Machine.Exists && w.state.Machine.Phase == Running && !w.state.Agent.Finished
}

func isReady(pod *v1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

// complainEvery is how often an unchanged problem is told again, about as often as the kubelet does.
const complainEvery = 2 * time.Minute

// complain notes what keeps the pod from being configured, and records events with the kubelet's reasons.
func (w *Worker) complain(pod *v1.Pod, problems []error) {
	byContainer := map[string]string{}
	for _, p := range problems {
		var c *podspec.ContainerError
		if errors.As(p, &c) {
			byContainer[c.Container] = c.Error()
		}
	}
	text := errors.Join(problems...)
	w.mu.Lock()
	w.problems = byContainer
	again := text != nil && (text.Error() != w.complained || time.Since(w.complainAt) > complainEvery)
	if again {
		w.complained, w.complainAt = text.Error(), time.Now()
	}
	w.mu.Unlock()
	if !again {
		return
	}
	for _, p := range problems {
		var v *podspec.VolumeError
		var c *podspec.ContainerError
		switch {
		case errors.As(p, &v):
			w.node.Events.Event(pod, v1.EventTypeWarning, "FailedMount", v.Error())
		case errors.As(p, &c):
			w.node.Events.Event(w.containerOf(pod, c.Container), v1.EventTypeWarning, "Failed", "Error: "+c.Error())
		default:
			w.node.Events.Event(pod, v1.EventTypeWarning, "FailedMount", p.Error())
		}
	}
}

// involved is the object of an event of a container; called with the lock held.
func (w *Worker) involved(container string) runtime.Object { return w.containerOf(w.pod, container) }

func (w *Worker) containerOf(pod *v1.Pod, container string) runtime.Object {
	field := ""
	for _, c := range pod.Spec.InitContainers {
		if c.Name == container {
			field = fmt.Sprintf("spec.initContainers{%s}", container)
		}
	}
	for _, c := range pod.Spec.Containers {
		if c.Name == container {
			field = fmt.Sprintf("spec.containers{%s}", container)
		}
	}
	for _, c := range pod.Spec.EphemeralContainers {
		if c.Name == container {
			field = fmt.Sprintf("spec.ephemeralContainers{%s}", container)
		}
	}
	return &v1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID,
		ResourceVersion: pod.ResourceVersion, FieldPath: field}
}

func (w *Worker) problem(err error) {
	klog.ErrorS(err, "State of pod could not be kept; it is tried again with the next change", "uid", w.uid)
}

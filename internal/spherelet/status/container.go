package status

import (
	"strings"

	"google.golang.org/protobuf/types/known/timestamppb"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	podapi "pacific/api/pod"
)

// ContainerIDPrefix is the scheme of container ids.
const ContainerIDPrefix = "crx://"

// Reasons of waiting containers, the kubelet's.
const (
	reasonCreating     = "ContainerCreating"
	reasonInitializing = "PodInitializing"
	reasonConfigError  = "CreateContainerConfigError"
	reasonCrashLoop    = "CrashLoopBackOff"
	reasonUnknown      = "ContainerStatusUnknown"
)

// killed is the exit code of a process that was ended by SIGKILL, as is all that runs in a machine that dies.
const killed = 137

func containers(in Input, specs []v1.Container, agent []*agentv1.ContainerStatus, old []v1.ContainerStatus) []v1.ContainerStatus {
	var out []v1.ContainerStatus
	for i := range specs {
		c := &specs[i]
		s := container(in, c, byName(agent, c.Name), previous(old, c.Name))
		if in.Ended {
			end(&s, in)
		}
		out = append(out, s)
	}
	return out
}

func byName(list []*agentv1.ContainerStatus, name string) *agentv1.ContainerStatus {
	for _, c := range list {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func previous(list []v1.ContainerStatus, name string) *v1.ContainerStatus {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func container(in Input, c *v1.Container, agent *agentv1.ContainerStatus, old *v1.ContainerStatus) v1.ContainerStatus {
	out := v1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: imageID(c.Image, in.Images[c.Name]), Started: ptr.To(false)}
	switch {
	case agent != nil:
		fromAgent(&out, agent)
	case old != nil && (old.State.Running != nil || old.State.Terminated != nil || old.LastTerminationState.Terminated != nil):
		// The agent has not answered yet, since this spherelet or the machine has just come back.
		out = *old.DeepCopy()
	default:
		out.State.Waiting = waiting(in, c)
	}
	if agent != nil && agent.State.GetState() == nil {
		out.State.Waiting = waiting(in, c)
	}
	if wait := out.State.Waiting; wait != nil && wait.Message == "" && in.Agent.GetSetupError() != "" {
		wait.Message = in.Agent.GetSetupError()
	}
	if in.Dead != nil {
		die(&out, in)
	}
	out.VolumeMounts = mountStatuses(in, c)
	if allocated, ok := in.Allocated[c.Name]; ok {
		out.AllocatedResources = allocated.Requests.DeepCopy()
		out.Resources = actual(allocated, agent.GetResources())
	}
	return out
}

func fromAgent(out *v1.ContainerStatus, a *agentv1.ContainerStatus) {
	out.RestartCount = int32(a.RestartCount)
	out.Ready = a.Ready
	out.Started = ptr.To(a.Started)
	if a.ContainerId != "" {
		out.ContainerID = ContainerIDPrefix + a.ContainerId
	}
	switch s := a.State.GetState().(type) {
	case *agentv1.State_Waiting:
		out.State.Waiting = &v1.ContainerStateWaiting{Reason: s.Waiting.Reason, Message: s.Waiting.Message}
	case *agentv1.State_Running:
		out.State.Running = &v1.ContainerStateRunning{StartedAt: at(s.Running.StartedAt)}
	case *agentv1.State_Terminated:
		out.State.Terminated = terminated(s.Terminated)
	}
	if u := a.User; u != nil {
		out.User = &v1.ContainerUser{Linux: &v1.LinuxContainerUser{UID: u.Uid, GID: u.Gid, SupplementalGroups: u.Groups}}
	}
	if a.LastTermination != nil {
		out.LastTerminationState.Terminated = terminated(a.LastTermination)
	}
}

func terminated(t *agentv1.Termination) *v1.ContainerStateTerminated {
	out := &v1.ContainerStateTerminated{ExitCode: t.ExitCode, Signal: t.Signal, Reason: t.Reason, Message: t.Message,
		StartedAt: at(t.StartedAt), FinishedAt: at(t.FinishedAt)}
	if out.Reason == "" {
		out.Reason = "Completed"
		if t.ExitCode != 0 {
			out.Reason = "Error"
		}
	}
	if t.ContainerId != "" {
		out.ContainerID = ContainerIDPrefix + t.ContainerId
	}
	return out
}

// at has the API's precision of a second, so that the same time compares equal after a round trip.
func at(t *timestamppb.Timestamp) metav1.Time {
	if t == nil {
		return metav1.Time{}
	}
	return metav1.Unix(t.Seconds, 0)
}

// Starting tells whether a container that waits for this reason waits for nothing but its turn.
func Starting(reason string) bool { return reason == reasonCreating || reason == reasonInitializing }

func waiting(in Input, c *v1.Container) *v1.ContainerStateWaiting {
	image := in.Images[c.Name]
	switch {
	case image.Reason != "" && !image.Ready():
		return &v1.ContainerStateWaiting{Reason: image.Reason, Message: image.Message}
	case in.ConfigErrors[c.Name] != "":
		return &v1.ContainerStateWaiting{Reason: reasonConfigError, Message: in.ConfigErrors[c.Name]}
	case len(in.Pod.Spec.InitContainers) > 0:
		return &v1.ContainerStateWaiting{Reason: reasonInitializing}
	default:
		return &v1.ContainerStateWaiting{Reason: reasonCreating}
	}
}

// die ends what ran in a machine that is not there any more.
func die(s *v1.ContainerStatus, in Input) {
	s.Ready, s.Started = false, ptr.To(false)
	if s.State.Running != nil {
		t := terminated(in.Dead)
		t.StartedAt, t.ContainerID = s.State.Running.StartedAt, s.ContainerID
		s.State = v1.ContainerState{Terminated: t}
		if in.BackOff != "" {
			s.LastTerminationState = s.State
			s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reasonCrashLoop, Message: in.BackOff}}
		}
	}
}

// end makes sure that an ended pod has no container that is still said to run or to wait, with the kubelet's words for
// those of which nothing more is known.
func end(s *v1.ContainerStatus, in Input) {
	s.Started = ptr.To(false)
	switch {
	case s.State.Terminated != nil:
		return
	case s.State.Waiting != nil && s.LastTerminationState.Terminated != nil:
		s.State = s.LastTerminationState
		s.LastTerminationState = v1.ContainerState{}
	case s.State.Running != nil:
		s.State = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: killed, Reason: reasonUnknown,
			Message:   "The container could not be located when the pod was terminated",
			StartedAt: s.State.Running.StartedAt, FinishedAt: metav1.NewTime(in.Now), ContainerID: s.ContainerID}}
	}
	s.Ready = false
}

func mountStatuses(in Input, c *v1.Container) []v1.VolumeMountStatus {
	var out []v1.VolumeMountStatus
	for _, m := range c.VolumeMounts {
		status := v1.VolumeMountStatus{Name: m.Name, MountPath: m.MountPath, ReadOnly: m.ReadOnly}
		if m.ReadOnly {
			mode := v1.RecursiveReadOnlyDisabled
			if ptr.Deref(m.RecursiveReadOnly, mode) != mode {
				mode = v1.RecursiveReadOnlyEnabled // if possible, and it is
			}
			status.RecursiveReadOnly = &mode
		}
		out = append(out, status)
	}
	return out
}

// imageID is the repository of the image with the digest that runs.
func imageID(image string, known podapi.Image) string {
	if known.Digest == "" {
		return ""
	}
	return Repository(image) + "@" + known.Digest
}

// Repository drops tag and digest of an image's name.
func Repository(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name = name[:colon]
	}
	return name
}

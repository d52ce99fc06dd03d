package podworker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"

	"pacific/internal/channel"
	"pacific/internal/logfile"
	"pacific/internal/spherelet/agentlink"
)

// Link is the connection to the pod's agent.
func (w *Worker) Link() (*agentlink.Link, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.link == nil {
		return nil, fmt.Errorf("the agent of pod %s/%s is not connected; its virtual machine is not running, or boots", w.kept.Namespace, w.kept.Name)
	}
	return w.link, nil
}

// Log opens the log of a container in the CRI format: as it was kept when the pod ended, or from the agent.
func (w *Worker) Log(ctx context.Context, request channel.LogRequest) (io.ReadCloser, error) {
	path := w.node.Keep.LogFile(w.uid, request.Container, request.Attempt)
	kept := func() io.ReadCloser {
		if _, err := os.Stat(path + firstPart); err != nil {
			return nil
		}
		return keptLog(ctx, path, request)
	}
	if log := kept(); log != nil {
		return log, nil
	}
	link, err := w.Link()
	if err != nil {
		return nil, err
	}
	stream, err := link.Open(ctx, channel.Header{Kind: channel.KindLog, Log: &request})
	if err != nil {
		return nil, err
	}
	live := &liveLog{Conn: stream, lost: link.Done(), kept: kept}
	live.moving = request.Follow && request.TailLines >= 0
	return live, nil
}

// firstPart makes a kept file a log of package logfile.
const firstPart = ".1"

func keptLog(ctx context.Context, path string, request channel.LogRequest) io.ReadCloser {
	q := logfile.Query{TailLines: request.TailLines}
	if request.SinceUnixNanos > 0 {
		q.Since = time.Unix(0, request.SinceUnixNanos)
	}
	out, in := io.Pipe()
	go func() { in.CloseWithError(logfile.Read(ctx, in, path, q)) }()
	return out
}

// Attempt finds which instance of a container has the log that is asked for, with the kubelet's words where there is none.
func Attempt(pod *v1.Pod, container string, previous bool) (uint32, error) {
	s := containerStatus(pod, container)
	if s == nil {
		return 0, fmt.Errorf("container %q in pod %q is not available", container, pod.Name)
	}
	count := uint32(s.RestartCount)
	waiting := s.State.Waiting
	switch {
	case previous && (s.LastTerminationState.Terminated == nil || count == 0 && waiting == nil):
		return 0, fmt.Errorf("previous terminated container %q in pod %q not found", container, pod.Name)
	case previous && waiting != nil:
		return count, nil // the one that waits has not run yet
	case previous:
		return count - 1, nil
	case s.State.Running != nil, s.State.Terminated != nil, s.LastTerminationState.Terminated != nil:
		return count, nil
	case waiting == nil:
		return 0, fmt.Errorf("container %q in pod %q is waiting to start - no logs yet", container, pod.Name)
	}
	switch waiting.Reason {
	case "ErrImagePull":
		return 0, fmt.Errorf("container %q in pod %q is waiting to start: image can't be pulled", container, pod.Name)
	case "ImagePullBackOff":
		return 0, fmt.Errorf("container %q in pod %q is waiting to start: trying and failing to pull image", container, pod.Name)
	}
	return 0, fmt.Errorf("container %q in pod %q is waiting to start: %v", container, pod.Name, waiting.Reason)
}

func containerStatus(pod *v1.Pod, name string) *v1.ContainerStatus {
	for _, list := range [][]v1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// Status is the pod with the status as this node knows it, which may be ahead of the API server's.
func (w *Worker) Status() (*v1.Pod, error) {
	pod, s, _, ok := w.status()
	if !ok {
		if pod = w.Pod(); pod == nil {
			return nil, errors.New("the pod is gone")
		}
		return pod, nil
	}
	out := pod.DeepCopy()
	out.Status = s
	return out, nil
}

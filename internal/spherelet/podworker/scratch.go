package podworker

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/spherelet/podspec"
)

// Scratch takes in what a pod has left in a scratch directory.
type Scratch interface {
	Apply(dir string, left *agentv1.ReadScratchResponse) error
}

// keepScratch copies what the pod leaves to later ones out of its machine. Done again it has the same effect.
func (w *Worker) keepScratch(ctx context.Context) error {
	w.mu.Lock()
	link, pod := w.link, w.pod
	w.mu.Unlock()
	if link == nil {
		return errors.New("the agent is not connected")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for volume, dir := range podspec.ScratchDirs(pod) {
		left, err := link.Agent.ReadScratch(ctx, &agentv1.ReadScratchRequest{Volume: volume})
		if grpcstatus.Code(err) == codes.ResourceExhausted {
			w.node.Events.Event(pod, v1.EventTypeWarning, "FailedHostPath",
				fmt.Sprintf("hostPath %s: %s; none of them are there for later pods", dir, grpcstatus.Convert(err).Message()))
			continue
		}
		if err != nil {
			return fmt.Errorf("read what the pod leaves in %s: %w", dir, err)
		}
		if err := w.node.Scratch.Apply(dir, left); err != nil {
			return err
		}
	}
	return nil
}

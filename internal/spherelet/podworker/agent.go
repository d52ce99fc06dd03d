package podworker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	"pacific/internal/channel"
	"pacific/internal/spherelet/agentlink"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/sizing"
	"pacific/internal/spherelet/status"
)

// connectTimeout is for a guest that boots on a host that is busy with many others.
const connectTimeout = 2 * time.Minute

// connect dials the agent and then follows its status until the connection ends.
func (w *Worker) connect(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	socket := w.machine.GetPersonalitySocket()
	w.linkEnd = cancel
	w.mu.Unlock()

	link, stream, err := w.dial(ctx, socket)
	if err != nil {
		cancel()
		w.post(Event{Done: &Done{Kind: Connect, Err: fmt.Errorf("connect to the agent: %w", err)}}, nil)
		return
	}
	context.AfterFunc(ctx, func() { link.Close() })
	w.post(Event{Done: &Done{Kind: Connect}}, func() bool { w.link = link; return true })
	for {
		s, err := stream.Recv()
		if err != nil {
			break
		}
		w.post(Event{Agent: agentFacts(s)}, func() bool {
			if w.link != link {
				return false
			}
			w.takeStatus(s)
			return true
		})
	}
	cancel()
	w.post(Event{AgentLost: true}, func() bool {
		if w.link != link {
			return false
		}
		w.link = nil
		return true
	})
}

func (w *Worker) dial(ctx context.Context, socket string) (*agentlink.Link, agentv1.Agent_WatchClient, error) {
	if socket == "" {
		return nil, nil, errors.New("hostd has not named the machine's socket")
	}
	dialing, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	link, err := agentlink.Connect(dialing, w.node.Dial, socket)
	if err != nil {
		return nil, nil, err
	}
	stream, err := link.Agent.Watch(ctx, &agentv1.WatchRequest{})
	if err != nil {
		link.Close()
		return nil, nil, err
	}
	return link, stream, nil
}

func agentFacts(s *agentv1.PodStatus) *AgentFacts {
	return &AgentFacts{Started: s.Started, Ran: agentRan(s), Held: agentHeld(s), Finished: s.Started && s.Finished}
}

// agentHeld tells whether a container waits for anything but its turn.
func agentHeld(s *agentv1.PodStatus) bool {
	return anyContainer(s, func(c *agentv1.ContainerStatus) bool {
		return c.State.GetWaiting() != nil && !status.Starting(c.State.GetWaiting().GetReason())
	})
}

func agentRan(s *agentv1.PodStatus) bool {
	return anyContainer(s, func(c *agentv1.ContainerStatus) bool {
		return c.State.GetRunning() != nil || c.State.GetTerminated() != nil || c.LastTermination != nil
	})
}

func anyContainer(s *agentv1.PodStatus, is func(*agentv1.ContainerStatus) bool) bool {
	return slices.ContainsFunc(s.InitContainers, is) || slices.ContainsFunc(s.Containers, is)
}

// takeStatus is called with the lock held.
func (w *Worker) takeStatus(s *agentv1.PodStatus) {
	now := time.Now()
	w.node.Starts.Reached(w.uid, podstarts.AgentConnected, now)
	if !s.Started && w.agent != nil {
		return // a machine that was started again and has not got the pod yet: the last known status tells more
	}
	if s.Started {
		if s.SetupError != "" && s.SetupError != w.agent.GetSetupError() && w.pod != nil {
			w.node.Events.Event(w.pod, v1.EventTypeWarning, "FailedCreatePodSandBox", s.SetupError)
		}
		w.agent, w.died = s, false
	}
	for _, c := range s.Containers {
		if r := c.State.GetRunning(); r != nil {
			w.node.Starts.Reached(w.uid, podstarts.ContainerStarted, now)
		}
	}
	w.noteResized()
	w.recordEvents(s)
}

// recordEvents passes on the agent's events that are new; called with the lock held.
func (w *Worker) recordEvents(s *agentv1.PodStatus) {
	last := w.kept.EventsUntil
	for _, e := range s.Events {
		at := e.At.AsTime()
		if w.pod == nil || !at.After(last) {
			continue
		}
		kind := v1.EventTypeNormal
		if e.Warning {
			kind = v1.EventTypeWarning
		}
		w.node.Events.Event(w.involved(e.Container), kind, e.Reason, e.Message)
		w.kept.EventsUntil = at
	}
	if w.kept.EventsUntil.After(last) {
		if err := w.node.Keep.Save(w.uid, &w.kept); err != nil {
			w.problem(err)
		}
	}
}

// handOver gives the pod to the agent. That it was given is on disk BEFORE, so that a pod whose machine is gone later is
// not taken for one that never ran.
func (w *Worker) handOver(ctx context.Context) error {
	w.mu.Lock()
	link := w.link
	in, err := w.input()
	if err == nil && !w.kept.HandedOver {
		w.kept.HandedOver = true
		err = w.node.Keep.Save(w.uid, &w.kept)
	}
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if link == nil {
		return errors.New("the agent is not connected")
	}
	pod, err := podspec.Build(in, w.node.Environment)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	t := told{}
	if _, err := link.Agent.Start(ctx, &agentv1.StartRequest{Pod: t.start(pod, deadline(in.Pod))}); err != nil {
		err = fmt.Errorf("hand the pod over to the agent: %w", err)
		if c := grpcstatus.Code(err); c == codes.InvalidArgument || c == codes.ResourceExhausted { // it will fail again
			w.node.Events.Event(in.Pod, v1.EventTypeWarning, "FailedCreatePodSandBox", err.Error())
		}
		return err
	}
	w.node.Starts.Reached(w.uid, podstarts.HandedOver, time.Now())
	w.mu.Lock()
	w.told = t
	w.mu.Unlock()
	return w.tell(ctx, link, pod, deadline(in.Pod))
}

// update brings a running pod up to date.
func (w *Worker) update(ctx context.Context) error {
	w.mu.Lock()
	link := w.link
	in, err := w.input()
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if link == nil {
		return errors.New("the agent is not connected")
	}
	pod, err := podspec.Build(in, w.node.Environment)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return w.tell(ctx, link, pod, deadline(in.Pod))
}

func deadline(pod *v1.Pod) int64 { return ptr.Deref(pod.Spec.ActiveDeadlineSeconds, 0) }

// tell gives the agent what of the pod it does not have yet.
func (w *Worker) tell(ctx context.Context, link *agentlink.Link, pod *agentv1.Pod, deadline int64) error {
	w.mu.Lock()
	t := w.told
	w.mu.Unlock()
	next := maps.Clone(t)
	if next == nil {
		next = told{}
	}
	for _, request := range next.updates(pod, deadline) {
		if _, err := link.Agent.Update(ctx, request); err != nil {
			return fmt.Errorf("update the pod in its machine: %w", err)
		}
	}
	w.mu.Lock()
	w.told = next
	w.mu.Unlock()
	return nil
}

// input is called with the lock held.
func (w *Worker) input() (podspec.Input, error) {
	network := Network(w.pod)
	if network == nil || w.contents == nil || w.machine == nil {
		return podspec.Input{}, errors.New("the pod is not complete yet")
	}
	disk, err := ephemeralLUN(w.machine, w.uid)
	if err != nil {
		return podspec.Input{}, err
	}
	return podspec.Input{
		Pod: w.allocatedPod(), Contents: w.contents, Network: *network, Size: sizing.Of(w.allocatedPod(), w.node.HostCPUs()),
		Images: w.images, Ephemeral: disk, Previous: w.previous(), Now: time.Now(),
	}, nil
}

// previous is how the machine before this one ended, if this start replaces one; called with the lock held.
func (w *Worker) previous() *agentv1.Termination {
	if !w.kept.HandedOver || w.machine.GetStarts() <= 1 && w.machine.GetLastExit() == nil && w.agent == nil {
		return nil
	}
	return w.termination()
}

// termination is the end of what ran in a machine that died; called with the lock held.
func (w *Worker) termination() *agentv1.Termination {
	e := w.exit()
	return &agentv1.Termination{ExitCode: 137, Signal: 9, Reason: e.Reason, Message: e.Message, FinishedAt: timestamppb.New(e.At)}
}

// keepLogs copies the logs of all containers, of their last and the instance before, out of the machine.
func (w *Worker) keepLogs(ctx context.Context) error {
	w.mu.Lock()
	link, agent := w.link, w.agent
	w.mu.Unlock()
	if link == nil {
		return errors.New("the agent is not connected")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, list := range [][]*agentv1.ContainerStatus{agent.GetInitContainers(), agent.GetContainers(), agent.GetEphemeralContainers()} {
		for _, c := range list {
			for _, attempt := range attempts(c) {
				if err := w.keepLog(ctx, link, c.Name, attempt); err != nil {
					return fmt.Errorf("keep the log of container %s: %w", c.Name, err)
				}
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept.LogsKept = true
	return w.node.Keep.Save(w.uid, &w.kept)
}

func attempts(c *agentv1.ContainerStatus) []uint32 {
	if c.RestartCount == 0 {
		return []uint32{0}
	}
	return []uint32{c.RestartCount, c.RestartCount - 1}
}

func (w *Worker) keepLog(ctx context.Context, link *agentlink.Link, container string, attempt uint32) error {
	stream, err := link.Open(ctx, channel.Header{Kind: channel.KindLog, Log: &channel.LogRequest{Container: container, Attempt: attempt, TailLines: -1}})
	if err != nil {
		return err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() { stream.SetDeadline(time.Unix(1, 0)) })()
	path := w.node.Keep.LogFile(w.uid, container, attempt) + firstPart
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer file.Cleanup()
	if _, err := io.Copy(file, stream); err != nil {
		return err
	}
	select {
	case <-link.Done(): // it ends its streams as if they were complete
		return errors.New("the connection to the agent ended meanwhile")
	default:
	}
	return file.CloseAtomicallyReplace()
}

// keepFinal writes how the pod ended BEFORE the machine, which knows it too, is destroyed.
func (w *Worker) keepFinal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.agent != nil {
		if err := w.node.Keep.SaveFinal(w.uid, w.agent); err != nil {
			return err
		}
	}
	w.kept.FinalKept = true
	return w.node.Keep.Save(w.uid, &w.kept)
}

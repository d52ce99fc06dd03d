package podworker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	agentv1 "pacific/api/agent/v1"
	hostv1 "pacific/api/host/v1"
	podapi "pacific/api/pod"
	"pacific/internal/spherelet/admission"
	"pacific/internal/spherelet/podspec"
	"pacific/internal/spherelet/podstarts"
	"pacific/internal/spherelet/runtimeclass"
)

// callTimeout bounds a call to hostd or an agent that only starts something; a machine's start under load takes longest.
const callTimeout = 60 * time.Second

// do carries out an action and reports the result.
func (w *Worker) do(ctx context.Context, a Action) {
	done := Done{Kind: a.Kind}
	var change func() bool
	switch a.Kind {
	case Admit:
		done.Rejected = w.admit()
	case TellQueued:
		w.tellQueued()
		return
	case Resolve:
		done.Err = w.resolve(ctx)
	case CreateMachine, StartMachine:
		var m *hostv1.VirtualMachine
		if m, done.Err = w.startMachine(ctx, a.Kind); done.Err == nil {
			facts := machineFacts(m)
			done.Machine = &facts
			change = func() bool { w.setMachine(m); return true }
		}
	case DestroyMachine:
		done.Err = w.destroyMachine(ctx)
		if done.Err == nil {
			change = func() bool { w.machine = nil; return true }
		}
	case Attach:
		done.Err = w.attach(ctx)
	case Connect:
		w.connect(ctx) // posts its result itself, before the first status
		return
	case HandOver:
		done.Err = w.handOver(ctx)
	case Update:
		done.Err = w.update(ctx)
	case Resize:
		done.Err = w.decideResize()
		change = func() bool { w.state.Pod.Resize = w.wantsResize(); return true }
	case Stop:
		done.Err = w.stop(ctx, a.Grace)
	case KeepLogs:
		done.Err = w.keepLogs(ctx)
	case KeepScratch:
		done.Err = w.keepScratch(ctx)
	case KeepFinal:
		done.Err = w.keepFinal()
	case Release:
		done.Err = w.release(ctx)
	case Forget:
		if done.Err = w.forget(ctx); done.Err == nil {
			return
		}
	}
	if done.Err != nil && ctx.Err() == nil && a.Kind != Resolve && !errors.Is(done.Err, errDeferred) { // those are told as events
		klog.ErrorS(done.Err, "Action failed; it will be tried again", "pod", w.name(), "action", a.Kind)
	}
	w.post(Event{Done: &done}, change)
}

func (w *Worker) admit() (rejected bool) {
	w.mu.Lock()
	pod, known := w.pod, w.kept.HandedOver || w.machine != nil
	w.mu.Unlock()
	r := w.manager.admit(pod, known)
	if r == nil {
		if text := admission.HostNetwork(pod, strings.Join(w.node.Environment.HostIPs, ", ")); text != "" && !known {
			w.node.Events.Event(pod, v1.EventTypeWarning, admission.EventHostNetwork, text)
		}
		if text := admission.Scratch(pod); text != "" && !known {
			w.node.Events.Event(pod, v1.EventTypeWarning, admission.EventScratch, text)
		}
		return false
	}
	w.mu.Lock()
	w.rejection = r
	w.mu.Unlock()
	for _, problem := range r.Problems {
		w.node.Events.Event(pod, v1.EventTypeWarning, r.Reason, problem)
	}
	return true
}

// problemRetry is the time after which what a container lacks is looked for again, where no watch tells of it.
const problemRetry = 20 * time.Second

// resolve reads what the pod is configured with. What a volume lacks holds the pod; what a container lacks holds that one.
func (w *Worker) resolve(ctx context.Context) error {
	w.mu.Lock()
	pod := w.pod
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	contents, err := w.node.Contents.Collect(ctx, pod)
	var problems []error
	if err != nil {
		problems = []error{err}
	} else {
		problems = podspec.Problems(pod, contents, w.node.Environment)
	}
	w.complain(pod, problems)
	if err := holdsPod(problems); err != nil {
		return err
	}
	w.mu.Lock()
	w.contents = contents
	w.scheduleRenewal(contents.RenewAt, len(problems) > 0)
	w.mu.Unlock()
	w.node.Starts.Reached(w.uid, podstarts.Configured, time.Now())
	return nil
}

// holdsPod joins the problems that are not of single containers.
func holdsPod(problems []error) error {
	return errors.Join(slices.DeleteFunc(slices.Clone(problems), func(err error) bool {
		var c *podspec.ContainerError
		return errors.As(err, &c)
	})...)
}

// scheduleRenewal is called with the lock held.
func (w *Worker) scheduleRenewal(at time.Time, problems bool) {
	if w.renew != nil {
		w.renew.Stop()
	}
	switch {
	case problems:
		w.renew = time.AfterFunc(problemRetry, w.ContentsChanged)
	case !at.IsZero():
		// Not at once again after a renewal that failed and left the old token in use.
		w.renew = time.AfterFunc(max(time.Until(at), time.Minute), w.ContentsChanged)
	}
}

func (w *Worker) startMachine(ctx context.Context, kind Kind) (*hostv1.VirtualMachine, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if kind == StartMachine {
		m, err := w.node.Host.Machines.Start(ctx, &hostv1.StartRequest{Id: podapi.MachineID(w.uid)})
		return m, w.complainOfMachine("start", err)
	}
	w.mu.Lock()
	pod := w.pod
	w.mu.Unlock()
	w.node.Starts.Reached(w.uid, podstarts.MachineRequested, time.Now())
	if err := runtimeclass.Check(ctx, w.node.Kube, pod); err != nil {
		return nil, w.complainOfMachine("create", err)
	}
	if _, err := w.node.Host.Disks.Create(ctx, &hostv1.CreateDiskRequest{Disk: ephemeralDisk(pod)}); err != nil {
		return nil, w.complainOfMachine("create the ephemeral disk of", err)
	}
	m, err := w.node.Host.Machines.Create(ctx, &hostv1.CreateRequest{Spec: machineSpec(pod, w.node.HostCPUs(), w.node.HostMemory()), Start: true})
	return m, w.complainOfMachine("create", err)
}

// destroyMachine ends the machine and deletes its disk; both may be gone already.
func (w *Worker) destroyMachine(ctx context.Context) error {
	w.mu.Lock()
	if w.linkEnd != nil {
		w.linkEnd()
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := w.node.Host.Machines.Destroy(ctx, &hostv1.DestroyRequest{Id: podapi.MachineID(w.uid)})
	if err != nil && grpcstatus.Code(err) != codes.NotFound {
		return fmt.Errorf("destroy machine %s: %w", podapi.MachineID(w.uid), err)
	}
	return w.deleteDisk(ctx)
}

// deleteDisk is needed without a machine too: the disk is made first, and the machine may have been refused.
func (w *Worker) deleteDisk(ctx context.Context) error {
	_, err := w.node.Host.Disks.Delete(ctx, &hostv1.DeleteDiskRequest{Id: podapi.EphemeralDiskID(w.uid)})
	if err != nil && grpcstatus.Code(err) != codes.NotFound {
		return fmt.Errorf("delete disk %s: %w", podapi.EphemeralDiskID(w.uid), err)
	}
	return nil
}

func (w *Worker) stop(ctx context.Context, grace int64) error {
	w.mu.Lock()
	link := w.link
	w.mu.Unlock()
	if link == nil {
		return errors.New("the agent is not connected")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := link.Agent.Stop(ctx, &agentv1.StopRequest{GraceSeconds: grace, Reason: "Killing"})
	return err
}

// release writes the pod's last status and then lets the API object go. It must be called only when the machine is gone.
func (w *Worker) release(ctx context.Context) error {
	if err := w.deleteDisk(ctx); err != nil {
		return err
	}
	if err := w.writer.Write(ctx); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	w.mu.Lock()
	pod := w.pod
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := w.node.Kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0),
		Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)),
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, it seems, or another pod of this name
	}
	return err
}

func (w *Worker) forget(ctx context.Context) error {
	deadline, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := w.deleteDisk(deadline); err != nil {
		return err
	}
	w.mu.Lock()
	if w.renew != nil {
		w.renew.Stop()
	}
	if w.linkEnd != nil {
		w.linkEnd()
	}
	w.mu.Unlock()
	w.manager.forget(w)
	w.cancel()
	return nil
}

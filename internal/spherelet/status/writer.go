package status

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// Writer brings the status of one pod to the API server: the latest wins, at once, and again until it is there. What happens while a
// pod starts is collected for a second, since most pods run before it is over: each write costs everyone who watches pods.
type Writer struct {
	client  kubernetes.Interface
	compute func() (pod *v1.Pod, status v1.PodStatus, annotations map[string]string, ok bool)
	wrote   func(*v1.Pod)

	mu   sync.Mutex // one write at a time, so that an older status never lands after a newer one
	poke chan struct{}
	vain vain
}

// vain is what was left of a patch when it had been taken: the API server drops fields whose feature it has not. To send that to
// this version of the object would change nothing.
type vain struct {
	version string
	patch   []byte
}

// NewWriter makes a writer. compute is called before each write for the newest known object, the status it should have
// and annotations to add; it says not ok when there is nothing to say. wrote gets the object after a write.
func NewWriter(client kubernetes.Interface, compute func() (*v1.Pod, v1.PodStatus, map[string]string, bool), wrote func(*v1.Pod)) *Writer {
	return &Writer{client: client, compute: compute, wrote: wrote, poke: make(chan struct{}, 1)}
}

// Poke asks for a write; it does not wait.
func (w *Writer) Poke() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	var collected collected
	backOff, delay := time.Duration(0), time.Duration(0)
	for {
		var again <-chan time.Time
		if delay > 0 {
			again = time.After(delay)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.poke:
		case <-again:
		}
		hold := collected.hold
		if backOff > 0 {
			hold = nil // it has waited long enough
		}
		held, err := w.write(ctx, hold)
		switch {
		case held > 0:
			delay = held
			continue
		case err == nil, apierrors.IsNotFound(err):
			backOff = 0
		default:
			// Soon at first, since a conflict is solved by the next event; slower while the API server is away.
			backOff = min(max(2*backOff, 50*time.Millisecond), 5*time.Second)
			klog.V(2).InfoS("Pod status could not be written; trying again", "after", backOff, "err", err)
		}
		delay = backOff
	}
}

// collectFor is how long the status of a pod that starts may be held back.
const collectFor = time.Second

// collected is since when something is held back.
type collected struct{ since time.Time }

// hold is how long a status is to be held back yet, 0 for one to write.
func (c *collected) hold(pod *v1.Pod, status v1.PodStatus, now time.Time) time.Duration {
	if c.since.IsZero() {
		c.since = now
	}
	left := c.since.Add(collectFor).Sub(now)
	if left <= 0 || !starting(pod, status) {
		c.since = time.Time{}
		return 0
	}
	return left
}

// starting tells whether nothing of a pod has run or failed yet, neither now nor in what was written, and nobody ends it.
func starting(pod *v1.Pod, status v1.PodStatus) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, s := range []v1.PodStatus{pod.Status, status} {
		if s.Phase != v1.PodPending && s.Phase != "" || s.Reason != "" {
			return false
		}
		for _, list := range [][]v1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
			for _, c := range list {
				if c.State.Waiting == nil || !Starting(c.State.Waiting.Reason) {
					return false
				}
			}
		}
	}
	return true
}

// Write writes the present status once, if it differs from what the API server has.
func (w *Writer) Write(ctx context.Context) error {
	_, err := w.write(ctx, nil)
	return err
}

// write writes nothing while hold, where not nil, says so, and returns for how long.
func (w *Writer) write(ctx context.Context, hold func(*v1.Pod, v1.PodStatus, time.Time) time.Duration) (held time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod, status, annotations, ok := w.compute()
	if !ok {
		return 0, nil
	}
	if hold != nil {
		if held := hold(pod, status, time.Now()); held > 0 {
			return held, nil
		}
	}
	return 0, w.send(ctx, pod, status, annotations)
}

// send writes a status, if it differs from what the API server has; called with the lock held.
func (w *Writer) send(ctx context.Context, pod *v1.Pod, status v1.PodStatus, annotations map[string]string) error {
	patch, err := patchFor(pod, status, annotations)
	if patch == nil || err != nil {
		return err
	}
	if pod.ResourceVersion == w.vain.version && bytes.Equal(patch, w.vain.patch) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	updated, err := w.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("patch status of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	klog.V(4).InfoS("Pod status written", "pod", klog.KObj(pod), "patch", string(patch))
	w.wrote(updated)
	left, err := patchFor(updated, status, annotations)
	switch {
	case err != nil:
		return err
	case bytes.Equal(left, patch):
		w.vain = vain{version: updated.ResourceVersion, patch: left}
		klog.InfoS("The API server does not take a part of the pod's status", "pod", klog.KObj(pod), "patch", string(left))
	case left != nil:
		w.Poke() // dropped, or somebody has written in between: it is sent once more to know
	}
	return nil
}

// patchFor holds only what differs, and the UID, so that it never meets a later pod of the same name.
func patchFor(pod *v1.Pod, status v1.PodStatus, annotations map[string]string) ([]byte, error) {
	missing := map[string]string{}
	for k, v := range annotations {
		if pod.Annotations[k] != v {
			missing[k] = v
		}
	}
	before, err := json.Marshal(v1.Pod{Status: pod.Status})
	if err != nil {
		return nil, err
	}
	// As they are sent, since times are sent without fractions of a second.
	unchanged, err := json.Marshal(v1.Pod{Status: status})
	if err != nil || len(missing) == 0 && bytes.Equal(before, unchanged) {
		return nil, err
	}
	after, err := json.Marshal(v1.Pod{ObjectMeta: metav1.ObjectMeta{UID: pod.UID, Annotations: missing}, Status: status})
	if err != nil {
		return nil, err
	}
	return strategicpatch.CreateTwoWayMergePatch(before, after, v1.Pod{})
}

package dataplane

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	podapi "pacific/api/pod"
	"pacific/internal/dataplane/plan"
)

const announceWorkers = 8

// announcer tells the API server which pods' ports pass traffic: condition NetworkReady is True.
type announcer struct {
	client kubernetes.Interface
	pods   cache.SharedIndexInformer
	queue  workqueue.TypedRateLimitingInterface[cache.ObjectName]

	mu sync.Mutex
	// told holds the version of the pod that was patched, until a newer one is seen: the informer lags behind the patch.
	told map[types.UID]string
}

func newAnnouncer(client kubernetes.Interface, pods cache.SharedIndexInformer) *announcer {
	return &announcer{
		client: client,
		pods:   pods,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](50*time.Millisecond, 10*time.Second)),
		told: map[types.UID]string{},
	}
}

// Announce takes all pods whose ports work and who do not say so yet.
func (a *announcer) Announce(pods []*corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := map[types.UID]string{}
	for _, pod := range pods {
		if version, ok := a.told[pod.UID]; ok && version == pod.ResourceVersion {
			told[pod.UID] = version
			continue
		}
		a.queue.Add(cache.MetaObjectToName(pod))
	}
	a.told = told
}

// Run announces until ctx is done.
func (a *announcer) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for range announceWorkers {
		group.Go(func() {
			for a.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	a.queue.ShutDown()
	group.Wait()
	return ctx.Err()
}

func (a *announcer) next(ctx context.Context) bool {
	name, shutdown := a.queue.Get()
	if shutdown {
		return false
	}
	defer a.queue.Done(name)
	err := a.patch(ctx, name)
	switch {
	case err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err): // the pod is gone, or another by now
		a.queue.Forget(name)
	case ctx.Err() == nil:
		klog.ErrorS(err, "Cannot report the pod's network as ready, trying again", "pod", name)
		a.queue.AddRateLimited(name)
	}
	return true
}

func (a *announcer) patch(ctx context.Context, name cache.ObjectName) error {
	object, found, err := a.pods.GetStore().GetByKey(name.String())
	if err != nil || !found {
		return err
	}
	pod := object.(*corev1.Pod)
	if plan.Ready(pod) {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID},
		"status": map[string]any{"conditions": []map[string]any{{
			"type": podapi.ConditionNetworkReady, "status": corev1.ConditionTrue, "reason": "PortProgrammed",
			"message": "", "lastTransitionTime": metav1.Now(),
		}}},
	})
	if err != nil {
		return err
	}
	if _, err = a.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch,
		metav1.PatchOptions{}, "status"); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told[pod.UID] = pod.ResourceVersion
	return nil
}

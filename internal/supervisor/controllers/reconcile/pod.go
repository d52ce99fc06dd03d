package reconcile

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// PodKey names one pod for good: a pod of the same name made later is another.
type PodKey struct {
	Namespace, Name string
	UID             types.UID
}

// KeyOf is the key of a pod.
func KeyOf(pod *corev1.Pod) PodKey { return PodKey{pod.Namespace, pod.Name, pod.UID} }

// String is for logs.
func (k PodKey) String() string { return k.Namespace + "/" + k.Name }

// OnPods calls changed for each pod that appears, changes or goes, one whose end the informer has missed included.
func OnPods(changed func(*corev1.Pod)) cache.ResourceEventHandler {
	see := func(object any) {
		if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = gone.Obj
		}
		if pod, ok := object.(*corev1.Pod); ok {
			changed(pod)
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: see, UpdateFunc: func(_, pod any) { see(pod) }, DeleteFunc: see}
}

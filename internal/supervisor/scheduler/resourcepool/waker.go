package resourcepool

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/klog/v2"

	namespaceapi "pacific/api/namespace"
)

// waker tries the waiting pods of a namespace again when its limit changes. The scheduling queue knows no events of namespaces,
// and one by way of a second informer could come before the lister knows the new limit.
type waker struct {
	pods     corelisters.PodLister
	activate func(klog.Logger, map[string]*v1.Pod)
	logger   klog.Logger
}

// OnAdd implements cache.ResourceEventHandler: a namespace that is new has no pods that wait for its limit.
func (*waker) OnAdd(any, bool) {}

// OnDelete implements cache.ResourceEventHandler.
func (*waker) OnDelete(any) {}

// OnUpdate implements cache.ResourceEventHandler.
func (w *waker) OnUpdate(before, after any) {
	was, ok1 := before.(*v1.Namespace)
	is, ok2 := after.(*v1.Namespace)
	if !ok1 || !ok2 || was.Annotations[namespaceapi.AnnotationMemoryLimit] == is.Annotations[namespaceapi.AnnotationMemoryLimit] {
		return
	}
	pods, err := w.pods.Pods(is.Name).List(labels.Everything())
	if err != nil { // the lister is a map in memory
		w.logger.Error(err, "Pods that wait for the limit of their namespace are not tried again now", "namespace", is.Name)
		return
	}
	waiting := map[string]*v1.Pod{}
	for _, pod := range pods {
		if pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
			waiting[pod.Namespace+"/"+pod.Name] = pod
		}
	}
	w.activate(w.logger, waiting)
}

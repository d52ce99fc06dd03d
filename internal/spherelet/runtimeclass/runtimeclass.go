// Package runtimeclass looks up how a pod wants to be run.
package runtimeclass

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	podapi "pacific/api/pod"
)

// Check returns an error while this node cannot run the pod as its class says: the class is not there, or has another
// handler. As with the kubelet the pod waits then, for a class can be made later.
func Check(ctx context.Context, kube kubernetes.Interface, pod *v1.Pod) error {
	name := pod.Spec.RuntimeClassName
	if name == nil || *name == "" || *name == podapi.RuntimeClass {
		return nil
	}
	class, err := kube.NodeV1().RuntimeClasses().Get(ctx, *name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("RuntimeClass %q not found; name one that exists, such as %q", *name, podapi.RuntimeClass)
	}
	if err != nil {
		return fmt.Errorf("get RuntimeClass %q: %w", *name, err)
	}
	if class.Handler != podapi.Handler {
		return fmt.Errorf("RuntimeClass %q: no runtime for %q is configured; this node has the handler %q", *name, class.Handler, podapi.Handler)
	}
	return nil
}

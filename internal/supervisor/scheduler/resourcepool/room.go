package resourcepool

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	namespaceapi "pacific/api/namespace"
)

// memoryLimit of a namespace in bytes, 0 for none.
func memoryLimit(namespace *v1.Namespace) (int64, error) {
	value, ok := namespace.Annotations[namespaceapi.AnnotationMemoryLimit]
	if !ok {
		return 0, nil
	}
	limit, err := resource.ParseQuantity(value)
	if err != nil || limit.Sign() <= 0 {
		return 0, fmt.Errorf("annotation %s of namespace %s is %q, which is no quantity of memory", namespaceapi.AnnotationMemoryLimit, namespace.Name, value)
	}
	return limit.Value(), nil
}

// lacks says why a pod has no room below the limit, empty if it has.
func lacks(namespace string, limit, used, want int64) string {
	switch {
	case used+want <= limit:
		return ""
	case want > limit:
		return fmt.Sprintf("the memory limit of namespace %s is %s, the pod alone needs %s with its virtual machine: raise the limit, or lower the pod's requests",
			namespace, mebibytes(limit), mebibytes(want))
	}
	return fmt.Sprintf("the memory limit of namespace %s is %s: its pods have %s, this one needs %s with its virtual machine",
		namespace, mebibytes(limit), mebibytes(used), mebibytes(want))
}

// mebibytes as the annotation has them; rounded up, so that a little too much never looks like a fit.
func mebibytes(n int64) string { return fmt.Sprintf("%dMi", (n+1<<20-1)>>20) }

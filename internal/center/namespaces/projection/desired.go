// Package projection brings a vSphere Namespace into its Supervisor: what objects there are to be is a pure function of the
// record, and an applier makes it so, again and again.
package projection

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/namespaces/spec"
)

// Namespace is what is projected.
type Namespace struct {
	Name string
	// UID of center's record.
	UID string
	// ResourcePool and Folder are ids of center's inventory.
	ResourcePool, Folder string
	// SelfService namespaces may be deleted with kubectl by their owners.
	SelfService bool
	Settings    spec.Settings
}

// Supervisor is what the projection depends on besides the namespace.
type Supervisor struct {
	Cluster string
	// MHzPerCore turns MHz into cores; 0 as long as no host has told.
	MHzPerCore float64
	// Administrators is the group that may use every namespace, as RBAC knows it; none if empty.
	Administrators string
	// Classes are the StorageClasses of the Supervisor by the storage policy that each stands for.
	Classes map[string]string
}

// Object to be applied. It has only the fields that center owns.
type Object = *unstructured.Unstructured

// Desired are the objects of a namespace, the Namespace first. It fails while something that they depend on is not known.
func Desired(ns Namespace, on Supervisor) ([]Object, error) {
	object, err := namespaceObject(ns, on)
	if err != nil {
		return nil, err
	}
	objects := []Object{object, countQuota(ns), storageQuota(ns, on)}
	limits, err := limitRange(ns, on)
	if err != nil {
		return nil, err
	}
	if limits != nil {
		objects = append(objects, limits)
	}
	return append(objects, roleBindings(ns, on)...), nil
}

func namespaceObject(ns Namespace, on Supervisor) (Object, error) {
	annotations := map[string]string{
		namespaceapi.AnnotationUID:          ns.UID,
		namespaceapi.AnnotationResourcePool: ns.ResourcePool,
		namespaceapi.AnnotationFolder:       ns.Folder,
		namespaceapi.AnnotationOwnerCount:   strconv.Itoa(owners(ns)),
	}
	if ns.SelfService {
		annotations[namespaceapi.AnnotationSelfService] = "true"
	}
	if limit := ns.Settings.Resources.CPULimit; limit != nil {
		cores, err := on.cores(*limit)
		if err != nil {
			return nil, err
		}
		annotations[namespaceapi.AnnotationCPULimit] = fmt.Sprintf("%.4f", cores)
	}
	if limit := ns.Settings.Resources.MemoryLimit; limit != nil {
		annotations[namespaceapi.AnnotationMemoryLimit] = strconv.FormatInt(*limit, 10) + "Mi"
	}
	return object(applycorev1.Namespace(ns.Name).WithLabels(namespaceLabels(on)).WithAnnotations(annotations)), nil
}

func namespaceLabels(on Supervisor) map[string]string {
	return map[string]string{namespaceapi.LabelManaged: namespaceapi.ManagedByCenter, namespaceapi.LabelCluster: on.Cluster}
}

func owners(ns Namespace) (n int) {
	for _, a := range ns.Settings.Access {
		if a.Role == spec.RoleOwner {
			n++
		}
	}
	return n
}

// cores that give a frequency in MHz.
func (s Supervisor) cores(mhz int64) (float64, error) {
	if s.MHzPerCore <= 0 {
		return 0, fmt.Errorf("no host of %s has told the frequency of its processors yet, which a limit in MHz needs", s.Cluster)
	}
	return float64(mhz) / s.MHzPerCore, nil
}

// object is an apply configuration as a value without a type.
func object(configuration any) Object {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(configuration)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be converted: %v", configuration, err)) // a matter of types alone
	}
	return &unstructured.Unstructured{Object: content}
}

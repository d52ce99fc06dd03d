package projection

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"

	namespaceapi "pacific/api/namespace"
)

var everything = labels.Everything()

// Apply makes the objects be as they are desired, those that are already excepted, and deletes objects of center's in the same
// namespace ("" for those of the cluster) that are not desired.
func (v *View) Apply(ctx context.Context, namespace string, desired []Object) error {
	wanted := map[string]bool{}
	for _, o := range desired {
		wanted[o.GetKind()+"/"+o.GetName()] = true
		if actual := v.actual(o); actual != nil && same(o, actual) {
			continue
		}
		if err := v.apply(ctx, o); err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return v.prune(ctx, namespace, wanted)
}

func (v *View) at(o Object) dynamic.ResourceInterface {
	return v.dynamic.Resource(resourceOf(o)).Namespace(o.GetNamespace())
}

func (v *View) apply(ctx context.Context, o Object) error {
	options := metav1.ApplyOptions{FieldManager: namespaceapi.FieldManager, Force: true}
	result, err := v.at(o).Apply(ctx, o.GetName(), o, options)
	if apierrors.IsInvalid(err) && o.GetKind() != "Namespace" {
		// Something that cannot change has changed, such as the role of a binding that somebody made anew.
		if err := v.delete(ctx, o); err != nil {
			return err
		}
		result, err = v.at(o).Apply(ctx, o.GetName(), o, options)
	}
	if err != nil || same(o, result.Object) {
		return err
	}
	_, err = v.at(o).Update(ctx, corrected(o, result), metav1.UpdateOptions{FieldManager: namespaceapi.FieldManager})
	return err
}

func (v *View) delete(ctx context.Context, o Object) error {
	err := v.at(o).Delete(ctx, o.GetName(), metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (v *View) prune(ctx context.Context, namespace string, wanted map[string]bool) error {
	for _, k := range kinds {
		if k.namespaced != (namespace != "") {
			continue
		}
		for _, typed := range v.stores[k.name].List() {
			o, err := meta.Accessor(typed)
			if err != nil || o.GetNamespace() != namespace || wanted[k.name+"/"+o.GetName()] || !isManaged(o.GetLabels()) {
				continue
			}
			uid := o.GetUID()
			err = v.dynamic.Resource(k.resource()).Namespace(namespace).Delete(ctx, o.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
				return fmt.Errorf("%s %s, which is not wanted any more: %w", k.name, o.GetName(), err)
			}
		}
	}
	return nil
}

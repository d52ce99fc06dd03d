package projection

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	namespaceapi "pacific/api/namespace"
)

// ErrForeign is returned for a Namespace that exists and is not center's.
var ErrForeign = errors.New("a namespace of this name exists in the Supervisor and was not made by center")

// Owns tells whether a Namespace of the Supervisor is that of a record. One that a user made with kubectl is adopted under its
// own UID.
func Owns(ns *corev1.Namespace, uid string) bool {
	if have := ns.Annotations[namespaceapi.AnnotationUID]; have != "" {
		return have == uid
	}
	return string(ns.UID) == uid
}

// Create makes the Namespace with nothing but its owner's mark, so that a name which somebody takes at the same moment is noticed
// and not taken over.
func (v *View) Create(ctx context.Context, ns Namespace) error {
	_, err := v.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: ns.Name, Annotations: map[string]string{namespaceapi.AnnotationUID: ns.UID},
		Labels: map[string]string{namespaceapi.LabelManaged: namespaceapi.ManagedByCenter},
	}}, metav1.CreateOptions{FieldManager: namespaceapi.FieldManager})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	have, err := v.client.CoreV1().Namespaces().Get(ctx, ns.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !Owns(have, ns.UID) {
		return ErrForeign
	}
	return nil
}

// Exists asks the Supervisor itself, for a name that is about to be given.
func (v *View) Exists(ctx context.Context, name string) (*corev1.Namespace, error) {
	ns, err := v.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return ns, err
}

// Usable tells whether pods can be made in the Namespace: they need its default service account, which Kubernetes makes a moment
// after the Namespace.
func (v *View) Usable(ctx context.Context, name string) (bool, error) {
	_, err := v.client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Delete begins the end of a Namespace.
func (v *View) Delete(ctx context.Context, ns *corev1.Namespace) error {
	if ns.DeletionTimestamp != nil {
		return nil
	}
	err := v.client.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &ns.UID}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Tell writes an event about a Namespace that center does not own, once. Events of Namespaces are in namespace default.
func (v *View) Tell(ctx context.Context, ns *corev1.Namespace, reason, message string) error {
	now := metav1.Now()
	_, err := v.client.CoreV1().Events(metav1.NamespaceDefault).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: fmt.Sprintf("%s.%s.%s", ns.Name, strings.ToLower(reason), ns.UID), Namespace: metav1.NamespaceDefault},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: ns.Name, UID: ns.UID},
		Reason:         reason, Message: message, Type: corev1.EventTypeWarning, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: namespaceapi.FieldManager},
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

package projection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// shownNames is how many objects are called by name; the others are counted.
const shownNames = 5

var (
	podResource   = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	claimResource = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
)

// Remaining says what a Namespace that is being deleted waits for, one sentence each, for people.
func (v *View) Remaining(ctx context.Context, ns *corev1.Namespace) ([]string, error) {
	var sentences []string
	for _, what := range []struct {
		resource  schema.GroupVersionResource
		one, many string
	}{{podResource, "pod", "pods"}, {claimResource, "persistent volume claim", "persistent volume claims"}} {
		list, err := v.dynamic.Resource(what.resource).Namespace(ns.Name).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			return nil, err
		}
		var objects []metav1.Object
		for i := range list.Items {
			objects = append(objects, &list.Items[i])
		}
		if sentence := describe(objects, what.one, what.many); sentence != "" {
			sentences = append(sentences, sentence)
		}
	}
	return append(sentences, conditions(ns)...), nil
}

// describe counts objects and names a few, with the finalizers that hold them.
func describe(objects []metav1.Object, one, many string) string {
	if len(objects) == 0 {
		return ""
	}
	slices.SortFunc(objects, func(a, b metav1.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	noun := many
	if len(objects) == 1 {
		noun = one
	}
	var names []string
	for _, o := range objects[:min(len(objects), shownNames)] {
		name := o.GetName()
		if f := o.GetFinalizers(); len(f) > 0 {
			name += " (held by " + strings.Join(f, ", ") + ")"
		}
		names = append(names, name)
	}
	text := fmt.Sprintf("%d %s: %s", len(objects), noun, strings.Join(names, ", "))
	if more := len(objects) - shownNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// conditions of a Namespace that Kubernetes cannot empty, in its own words. That pods and claims remain is said already.
func conditions(ns *corev1.Namespace) []string {
	var texts []string
	for _, c := range ns.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		if c.Type == corev1.NamespaceContentRemaining && strings.HasPrefix(c.Message, "Some resources are remaining: pods. has") && strings.Count(c.Message, " has ") == 1 {
			continue
		}
		texts = append(texts, strings.TrimSpace(c.Message))
	}
	return texts
}

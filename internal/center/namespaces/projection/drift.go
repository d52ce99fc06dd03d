package projection

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	namespaceapi "pacific/api/namespace"
)

// same tells whether an object is as it is to be. A Namespace is center's as to its reserved labels and annotations; all else
// in it is its users'. The other objects are center's altogether, but for labels and annotations that others add.
func same(desired Object, actual map[string]any) bool {
	have := unstructured.Unstructured{Object: actual}
	if !includes(have.GetLabels(), desired.GetLabels()) || !includes(have.GetAnnotations(), desired.GetAnnotations()) {
		return false
	}
	if desired.GetKind() == "Namespace" {
		return len(strays(desired, &have)) == 0
	}
	return equality.Semantic.DeepEqual(sections(desired.Object), sections(actual))
}

func includes(all, some map[string]string) bool {
	for k, v := range some {
		if have, ok := all[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// strays are reserved annotations of a Namespace that are not to be there, such as a limit that was lifted.
func strays(desired, actual Object) []string {
	var keys []string
	for key := range actual.GetAnnotations() {
		if _, wanted := desired.GetAnnotations()[key]; !wanted && namespaceapi.Reserved(key) && key != namespaceapi.AnnotationCreator {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// sections are what an object is about.
func sections(object map[string]any) map[string]any {
	s := maps.Clone(object)
	for _, key := range []string{"apiVersion", "kind", "metadata", "status"} {
		delete(s, key)
	}
	return withoutEmpty(s)
}

// withoutEmpty leaves out what the API server leaves out.
func withoutEmpty(m map[string]any) map[string]any {
	full := map[string]any{}
	for key, value := range m {
		if inner, ok := value.(map[string]any); ok {
			inner = withoutEmpty(inner)
			if len(inner) == 0 {
				continue
			}
			value = inner
		}
		if value != nil {
			full[key] = value
		}
	}
	return full
}

// corrected is the actual object with what makes it as it is to be. Applying leaves what others have added to a map, such as
// one more resource of a quota.
func corrected(desired, actual Object) Object {
	fixed := actual.DeepCopy()
	if desired.GetKind() == "Namespace" {
		annotations := fixed.GetAnnotations()
		for _, key := range strays(desired, actual) {
			delete(annotations, key)
		}
		fixed.SetAnnotations(annotations)
		return fixed
	}
	for key := range sections(fixed.Object) {
		delete(fixed.Object, key)
	}
	maps.Copy(fixed.Object, sections(desired.DeepCopy().Object))
	return fixed
}

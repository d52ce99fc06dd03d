package bootstrap

import (
	"slices"
	"testing"

	v1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	podapi "pacific/api/pod"
)

func TestEveryManifestIsAnObject(t *testing.T) {
	objects, err := load(manifests)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, object := range objects {
		key := object.GetKind() + " " + object.GetName()
		if object.GetAPIVersion() == "" || object.GetKind() == "" || object.GetName() == "" {
			t.Errorf("%q lacks a kind or name", key)
		}
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
	}
	if len(objects) == 0 {
		t.Error("no objects")
	}
}

// What a role of ours may never contain: it would be as good as being the administrator.
func TestRolesAreSmall(t *testing.T) {
	objects, err := load(manifests)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetKind() != "ClusterRole" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			for _, part := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs} {
				if slices.Contains(part, "*") {
					t.Errorf("%s has a wildcard: %v", role.Name, rule)
				}
			}
			if slices.Contains(rule.Resources, "secrets") && !slices.Equal(rule.Verbs, []string{"get"}) {
				t.Errorf("%s may do more with Secrets than get one by name: %v", role.Name, rule.Verbs)
			}
		}
	}
}

// The overhead that users see is the one that is counted.
func TestOverhead(t *testing.T) {
	objects, err := load(manifests)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "RuntimeClass" })
	if i < 0 {
		t.Fatal("no RuntimeClass")
	}
	var class nodev1.RuntimeClass
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[i].Object, &class); err != nil {
		t.Fatal(err)
	}
	memory := class.Overhead.PodFixed[v1.ResourceMemory]
	if class.Name != podapi.RuntimeClass || class.Handler != podapi.Handler || memory.Value() != podapi.MemoryOverhead {
		t.Errorf("class %s with handler %s and overhead %s; api/pod says %s, %s, %d", class.Name, class.Handler, memory.String(),
			podapi.RuntimeClass, podapi.Handler, podapi.MemoryOverhead)
	}
}

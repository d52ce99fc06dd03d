package bootstrap

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

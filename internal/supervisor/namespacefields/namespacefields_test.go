package namespacefields

import (
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/rbac"

	namespaceapi "pacific/api/namespace"
)

var byCenter = map[string]string{namespaceapi.LabelManaged: namespaceapi.ManagedByCenter}

func namespace(labels, annotations map[string]string) *core.Namespace {
	return &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: maps.Clone(labels), Annotations: maps.Clone(annotations)}}
}

func request(resource, subresource string, operation admission.Operation, before, after runtime.Object, name string, groups ...string) admission.Attributes {
	group := core.Resource(resource)
	if strings.HasPrefix(resource, "role") {
		group = rbac.Resource(resource)
	}
	return admission.NewAttributesRecord(after, before, core.Kind("X").WithVersion("v1"), "n", "n", group.WithVersion("v1"), subresource,
		operation, nil, false, &user.DefaultInfo{Name: name, Groups: groups})
}

func TestReservedLabelsAndAnnotationsStay(t *testing.T) {
	pool := map[string]string{namespaceapi.AnnotationResourcePool: "resgroup-1", "mine": "1"}
	for name, c := range map[string]struct {
		before, after, want map[string]string
		changed             int
	}{
		"changed":   {pool, map[string]string{namespaceapi.AnnotationResourcePool: "resgroup-2", "mine": "2"}, map[string]string{namespaceapi.AnnotationResourcePool: "resgroup-1", "mine": "2"}, 1},
		"removed":   {pool, nil, map[string]string{namespaceapi.AnnotationResourcePool: "resgroup-1"}, 1},
		"added":     {nil, map[string]string{"vmware-system-x": "1", "a": "b"}, map[string]string{"a": "b"}, 1},
		"unchanged": {pool, pool, pool, 0},
	} {
		after := namespace(c.after, c.after)
		changed := Restore(namespace(c.before, c.before), after)
		if !maps.Equal(after.Annotations, c.want) || !maps.Equal(after.Labels, c.want) || len(changed) != 2*c.changed {
			t.Errorf("%s: got %v, %v", name, after.Annotations, changed)
		}
	}
}

func TestCreatorIsNoted(t *testing.T) {
	claims := map[string]string{namespaceapi.AnnotationCreator: "sso:boss@corp.local", namespaceapi.AnnotationUID: "1"}
	for who, want := range map[string]map[string]string{
		"sso:dev1@corp.local": {namespaceapi.AnnotationCreator: "sso:dev1@corp.local"},
		"kubernetes-admin":    {},
		"pacific:center":      claims,
	} {
		ns := namespace(nil, claims)
		if err := (&plugin{}).Admit(t.Context(), request("namespaces", "", admission.Create, nil, ns, who), nil); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(ns.Annotations, want) {
			t.Errorf("%s: got %v", who, ns.Annotations)
		}
	}
	ns := namespace(nil, nil)
	if err := (&plugin{}).Admit(t.Context(), request("namespaces", "", admission.Update, namespace(nil, nil), ns, "sso:dev1@corp.local"), nil); err != nil || ns.Annotations[namespaceapi.AnnotationCreator] != "" {
		t.Errorf("who edits a Namespace is taken for its creator: %v, %v", ns.Annotations, err)
	}
}

func TestWhatIsCentersStays(t *testing.T) {
	quota := &core.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: byCenter}}
	own := &core.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	binding := &rbac.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: byCenter}}
	ours, self := namespace(byCenter, nil), namespace(byCenter, map[string]string{namespaceapi.AnnotationSelfService: "true"})
	const dev = "sso:dev1@corp.local"
	for name, c := range map[string]struct {
		request admission.Attributes
		allowed bool
	}{
		"a user deletes a quota":                   {request("resourcequotas", "", admission.Delete, quota, nil, dev), false},
		"a user changes a quota":                   {request("resourcequotas", "", admission.Update, quota, own, dev), false},
		"a user makes an object center's":          {request("resourcequotas", "", admission.Create, nil, quota, dev), false},
		"a user deletes his own quota":             {request("resourcequotas", "", admission.Delete, own, nil, dev), true},
		"an owner changes a binding":               {request("rolebindings", "", admission.Update, binding, binding, dev), false},
		"an administrator deletes a quota":         {request("resourcequotas", "", admission.Delete, quota, nil, "kubernetes-admin", admins), true},
		"center changes a quota":                   {request("resourcequotas", "", admission.Update, quota, quota, "pacific:center"), true},
		"Kubernetes counts":                        {request("resourcequotas", "status", admission.Update, quota, quota, "anybody"), true},
		"Kubernetes empties a namespace":           {request("resourcequotas", "", admission.Delete, quota, nil, "system:serviceaccount:kube-system:namespace-controller"), true},
		"a user's service account deletes a quota": {request("resourcequotas", "", admission.Delete, quota, nil, "system:serviceaccount:n:default"), false},
		"an administrator deletes a namespace":     {request("namespaces", "", admission.Delete, ours, nil, "kubernetes-admin", admins), false},
		"an owner deletes a namespace":             {request("namespaces", "", admission.Delete, ours, nil, dev), false},
		"an owner deletes a namespace of his own":  {request("namespaces", "", admission.Delete, self, nil, dev), true},
		"center deletes a namespace":               {request("namespaces", "", admission.Delete, ours, nil, "pacific:center"), true},
		"somebody deletes another namespace":       {request("namespaces", "", admission.Delete, namespace(nil, nil), nil, dev), true},
		"somebody changes a ConfigMap":             {request("configmaps", "", admission.Update, &core.ConfigMap{}, &core.ConfigMap{}, dev), true},
	} {
		err := (&plugin{}).Validate(t.Context(), c.request, nil)
		if (err == nil) != c.allowed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRestoredKeysAreInOrder(t *testing.T) {
	keys := Restore(namespace(nil, nil), namespace(map[string]string{"vmware-system-b": "", "vmware-system-a": ""}, nil))
	if !slices.Equal(keys, []string{"vmware-system-a", "vmware-system-b"}) {
		t.Error(keys)
	}
}

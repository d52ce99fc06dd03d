package projection

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// kind of objects that center manages.
type kind struct {
	name, plural string
	group        string
	informer     func(informers.SharedInformerFactory) cache.SharedIndexInformer
	namespaced   bool
}

const rbacGroup, storageGroup = "rbac.authorization.k8s.io", "storage.k8s.io"

// kinds besides Namespace, in the order in which they are looked at.
var kinds = []kind{
	{"ResourceQuota", "resourcequotas", "", func(f informers.SharedInformerFactory) cache.SharedIndexInformer {
		return f.Core().V1().ResourceQuotas().Informer()
	}, true},
	{"LimitRange", "limitranges", "", func(f informers.SharedInformerFactory) cache.SharedIndexInformer {
		return f.Core().V1().LimitRanges().Informer()
	}, true},
	{"RoleBinding", "rolebindings", rbacGroup, func(f informers.SharedInformerFactory) cache.SharedIndexInformer {
		return f.Rbac().V1().RoleBindings().Informer()
	}, true},
	{"ClusterRole", "clusterroles", rbacGroup, func(f informers.SharedInformerFactory) cache.SharedIndexInformer {
		return f.Rbac().V1().ClusterRoles().Informer()
	}, false},
	{"ClusterRoleBinding", "clusterrolebindings", rbacGroup, func(f informers.SharedInformerFactory) cache.SharedIndexInformer {
		return f.Rbac().V1().ClusterRoleBindings().Informer()
	}, false},
	{"StorageClass", "storageclasses", storageGroup, func(f informers.SharedInformerFactory) cache.SharedIndexInformer {
		return f.Storage().V1().StorageClasses().Informer()
	}, false},
}

var namespaceResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

// resourceOf is the path under which the API serves an object.
func resourceOf(o Object) schema.GroupVersionResource {
	if o.GetKind() == "Namespace" {
		return namespaceResource
	}
	for _, k := range kinds {
		if k.name == o.GetKind() {
			return k.resource()
		}
	}
	panic("no resource for " + o.GetKind()) // Desired makes no other kinds
}

func (k kind) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.group, Version: "v1", Resource: k.plural}
}

// content of a typed object.
func content(typed any) map[string]any {
	c, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		panic(err) // a matter of types alone
	}
	return c
}

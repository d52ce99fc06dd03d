// Package namespacefields is an admission plugin that keeps what center projects into a Supervisor from its users, as
// api/namespace says: the reserved labels and annotations of Namespaces, and the quotas, default limits and bindings that
// bear center's label. Its words are for the person at kubectl: center would put back what is changed, but later and in silence.
//
// It also notes who of single sign-on made a Namespace, which is what center needs to take it in, and what nobody can claim by
// writing the annotation himself.
package namespacefields

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/rbac"

	namespaceapi "pacific/api/namespace"
)

// PluginName in the kube-apiserver's chain.
const PluginName = "PacificNamespaceFields"

// admins are the Supervisor's administrators. They are told, not stopped: center puts back what they change.
const admins = "pacific:admins"

// Register makes the plugin known.
func Register(plugins *admission.Plugins) {
	plugins.Register(PluginName, func(io.Reader) (admission.Interface, error) {
		return &plugin{admission.NewHandler(admission.Create, admission.Update, admission.Delete)}, nil
	})
}

type plugin struct{ *admission.Handler }

var (
	_ admission.MutationInterface   = &plugin{}
	_ admission.ValidationInterface = &plugin{}
)

var namespaces = core.Resource("namespaces")

// guarded resources may have objects of center's.
var guarded = []schema.GroupResource{core.Resource("resourcequotas"), core.Resource("limitranges"), rbac.Resource("rolebindings"), rbac.Resource("clusterroles"), rbac.Resource("clusterrolebindings")}

// free tells who is not restricted: center, and Kubernetes itself, which empties Namespaces.
func free(u user.Info) bool {
	name := u.GetName()
	return name == namespaceapi.UserCenter || name == "system:kube-controller-manager" ||
		strings.HasPrefix(name, "system:serviceaccount:kube-system:") || slices.Contains(u.GetGroups(), user.SystemPrivilegedGroup)
}

// Admit keeps the reserved labels and annotations of a Namespace as they were, and notes its creator.
func (*plugin) Admit(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetResource().GroupResource() != namespaces || free(a.GetUserInfo()) || a.GetOperation() == admission.Delete {
		return nil
	}
	after, ok := a.GetObject().(*core.Namespace)
	if !ok {
		return nil
	}
	before := &core.Namespace{}
	if old, ok := a.GetOldObject().(*core.Namespace); ok {
		before = old
	}
	for _, key := range Restore(before, after) {
		warning.AddWarning(ctx, "", fmt.Sprintf("%s is written by center only; what the request says about it is ignored", key))
	}
	if a.GetOperation() == admission.Create && a.GetSubresource() == "" {
		noteCreator(after, a.GetUserInfo().GetName())
	}
	return nil
}

func noteCreator(ns *core.Namespace, name string) {
	if _, _, ok := namespaceapi.ParseSubject(name); !ok {
		return
	}
	if ns.Annotations == nil {
		ns.Annotations = map[string]string{}
	}
	ns.Annotations[namespaceapi.AnnotationCreator] = name
}

// Restore gives the reserved labels and annotations of after the values that they have in before. It returns the keys of those
// that it had to change, in order.
func Restore(before, after *core.Namespace) []string {
	var changed []string
	after.Labels, changed = restore(before.Labels, after.Labels, changed)
	after.Annotations, changed = restore(before.Annotations, after.Annotations, changed)
	slices.Sort(changed)
	return changed
}

func restore(before, after map[string]string, changed []string) (map[string]string, []string) {
	for key := range after {
		if _, was := before[key]; !was && namespaceapi.Reserved(key) {
			delete(after, key)
			changed = append(changed, key)
		}
	}
	for key, value := range before {
		if have, is := after[key]; namespaceapi.Reserved(key) && (!is || have != value) {
			if after == nil {
				after = map[string]string{}
			}
			after[key] = value
			changed = append(changed, key)
		}
	}
	return after, changed
}

// Validate refuses what would be put back.
func (*plugin) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	if a.GetSubresource() != "" || free(a.GetUserInfo()) {
		return nil
	}
	resource := a.GetResource().GroupResource()
	var err error
	switch {
	case resource == namespaces && a.GetOperation() == admission.Delete:
		err = mayDelete(a)
	case slices.Contains(guarded, resource) && (managed(a.GetOldObject()) || managed(a.GetObject())):
		if slices.Contains(a.GetUserInfo().GetGroups(), admins) {
			warning.AddWarning(ctx, "", fmt.Sprintf("%s %s belongs to center, which puts it back; change the namespace by `pacific namespace set` or the API of center", resource.Resource, a.GetName()))
			return nil
		}
		err = errors.New("it belongs to center: change the namespace by `pacific namespace set` or the API of center")
	}
	if err != nil {
		return admission.NewForbidden(a, err)
	}
	return nil
}

// mayDelete refuses to delete a namespace of center's with kubectl, unless it was made that way.
func mayDelete(a admission.Attributes) error {
	ns, ok := a.GetOldObject().(*core.Namespace)
	if !ok || ns.Labels[namespaceapi.LabelManaged] != namespaceapi.ManagedByCenter || ns.Annotations[namespaceapi.AnnotationSelfService] == "true" {
		return nil
	}
	return fmt.Errorf("it is a vSphere Namespace that was made by center: delete it with `pacific namespace delete %s` or the API of center", a.GetName())
}

func managed(object any) bool {
	o, ok := object.(metav1.Object)
	return ok && o.GetLabels()[namespaceapi.LabelManaged] == namespaceapi.ManagedByCenter
}

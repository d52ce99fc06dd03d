package projection

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/namespaces/spec"
)

// ClusterRoles that center makes in a Supervisor.
const (
	// OwnerRole is what an owner of a namespace may beyond editing.
	OwnerRole = "pacific:namespace-owner"
	// SelfServiceRole is what a user of self-service may in the whole Supervisor.
	SelfServiceRole = "pacific:self-service"
)

func managed() map[string]string {
	return map[string]string{namespaceapi.LabelManaged: namespaceapi.ManagedByCenter}
}

// roleBindings of the access list. A binding's role cannot change, so each pair of subject and role is a binding.
func roleBindings(ns Namespace, on Supervisor) []Object {
	var bindings []Object
	for _, a := range ns.Settings.Access {
		for _, role := range clusterRoles(a.Role) {
			bindings = append(bindings, roleBinding(ns.Name, a, role))
		}
	}
	if name, domain, ok := namespaceapi.ParseSubject(on.Administrators); ok {
		admins := spec.Access{SubjectType: spec.Group, Subject: name, Domain: domain, Role: spec.RoleEdit}
		if !hasRole(ns.Settings.Access, admins) {
			bindings = append(bindings, roleBinding(ns.Name, admins, "edit"))
		}
	}
	return bindings
}

// hasRole tells whether the list gives the subject at least editing, by which it has a binding to edit already.
func hasRole(list []spec.Access, subject spec.Access) bool {
	for _, a := range list {
		if a.SameSubject(subject) && a.Role != spec.RoleView {
			return true
		}
	}
	return false
}

func clusterRoles(role string) []string {
	switch role {
	case spec.RoleOwner:
		return []string{"edit", OwnerRole}
	case spec.RoleEdit:
		return []string{"edit"}
	default:
		return []string{"view"}
	}
}

func roleBinding(namespace string, a spec.Access, role string) Object {
	name := strings.ToLower("wcp:" + namespace + ":" + a.SubjectType + ":" + a.Domain + ":" + a.Subject + ":" + role)
	return object(applyrbacv1.RoleBinding(name, namespace).WithLabels(managed()).
		WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(role)).
		WithSubjects(rbacSubject(a.SubjectType, a.Subject, a.Domain)))
}

func rbacSubject(subjectType, subject, domain string) *applyrbacv1.SubjectApplyConfiguration {
	kind := rbacv1.UserKind
	if subjectType == spec.Group {
		kind = rbacv1.GroupKind
	}
	return applyrbacv1.Subject().WithAPIGroup(rbacv1.GroupName).WithKind(kind).WithName(namespaceapi.Subject(subject, domain))
}

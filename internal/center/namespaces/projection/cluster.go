package projection

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	applystoragev1 "k8s.io/client-go/applyconfigurations/storage/v1"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/namespaces/spec"
)

// Provisioner of the StorageClasses, under the name that manifests written for the original have.
const Provisioner = "csi.vsphere.vmware.com"

// Permission to make namespaces with kubectl.
type Permission struct{ SubjectType, Subject, Domain string }

// DesiredOfCluster are the objects of a Supervisor that belong to no single namespace: the owners' role, and a StorageClass for
// each policy that some namespace uses. With self-service it has the permissions' bindings too.
func DesiredOfCluster(on Supervisor, selfService []Permission) []Object {
	objects := []Object{ownerRole(), selfServiceRole()}
	var policies []string
	for policy := range on.Classes {
		policies = append(policies, policy)
	}
	slices.Sort(policies)
	for _, policy := range policies {
		objects = append(objects, storageClass(policy, on.Classes[policy]))
	}
	if len(selfService) > 0 {
		objects = append(objects, selfServiceBinding(selfService))
	}
	return objects
}

// ownerRole lets an owner delete his namespace, and bind people of his own to what he may do himself: RBAC lets nobody give
// away more than he has.
func ownerRole() Object {
	return object(applyrbacv1.ClusterRole(OwnerRole).WithLabels(managed()).WithRules(
		applyrbacv1.PolicyRule().WithAPIGroups("").WithResources("namespaces").WithVerbs("get", "delete"),
		applyrbacv1.PolicyRule().WithAPIGroups(rbacv1.GroupName).WithResources("roles", "rolebindings").
			WithVerbs("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"),
	))
}

func selfServiceRole() Object {
	return object(applyrbacv1.ClusterRole(SelfServiceRole).WithLabels(managed()).WithRules(
		applyrbacv1.PolicyRule().WithAPIGroups("").WithResources("namespaces").WithVerbs("create"),
	))
}

func selfServiceBinding(permissions []Permission) Object {
	binding := applyrbacv1.ClusterRoleBinding(SelfServiceRole).WithLabels(managed()).
		WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(rbacv1.GroupName).WithKind("ClusterRole").WithName(SelfServiceRole))
	for _, p := range permissions {
		binding = binding.WithSubjects(rbacSubject(p.SubjectType, p.Subject, p.Domain))
	}
	return object(binding)
}

// SelfServiceUsers are who may make namespaces: those of the template, and who owns a namespace already. The order is the
// same for the same set.
func SelfServiceUsers(template []Permission, access []spec.Access) []Permission {
	all := slices.Clone(template)
	for _, a := range access {
		if a.Role == spec.RoleOwner {
			all = append(all, Permission{a.SubjectType, a.Subject, a.Domain})
		}
	}
	slices.SortFunc(all, func(a, b Permission) int {
		return slices.Compare([]string{a.SubjectType, a.Domain, a.Subject}, []string{b.SubjectType, b.Domain, b.Subject})
	})
	return slices.Compact(all)
}

func storageClass(policy, class string) Object {
	return object(applystoragev1.StorageClass(class).WithLabels(managed()).
		WithProvisioner(Provisioner).
		WithParameters(map[string]string{"storagePolicyID": policy}).
		WithReclaimPolicy(corev1.PersistentVolumeReclaimDelete).
		WithVolumeBindingMode(storagev1.VolumeBindingImmediate).
		WithAllowVolumeExpansion(true))
}

// isManaged tells whether center made an object.
func isManaged(labels map[string]string) bool {
	return labels[namespaceapi.LabelManaged] == namespaceapi.ManagedByCenter
}

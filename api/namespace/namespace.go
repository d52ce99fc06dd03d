// Package namespace is the contract about a vSphere Namespace's objects in a Supervisor: which labels and annotations center
// writes, under which name center acts, and how subjects of single sign-on are called there.
//
// The names without a prefix of Pacific's are the original's; its clients look for them.
package namespace

import "strings"

// Labels.
const (
	// LabelCluster of a Namespace names the cluster, such as domain-c1.
	LabelCluster = "vSphereClusterID"
	// LabelManaged marks the objects that center owns: a Namespace and what center puts into it. Its value is ManagedByCenter.
	LabelManaged    = "pacific.internal/managed-by"
	ManagedByCenter = "center"
)

// Annotations of a Namespace.
const (
	// AnnotationUID is the id of center's record: another Namespace of the same name has another.
	AnnotationUID = "pacific.internal/namespace-uid"
	// AnnotationResourcePool and AnnotationFolder are ids such as resgroup-12 and group-v13.
	AnnotationResourcePool = "vmware-system-resource-pool"
	AnnotationFolder       = "vmware-system-vm-folder"
	// AnnotationCPULimit is in cores with four decimals, AnnotationMemoryLimit a quantity in Mi. Without a limit there is no
	// annotation.
	AnnotationCPULimit    = "vmware-system-resource-pool-cpu-limit"
	AnnotationMemoryLimit = "vmware-system-resource-pool-memory-limit"
	// AnnotationSelfService is "true" where a user made the Namespace with kubectl; such a user may delete it that way too.
	AnnotationSelfService = "vmware-system-self-service-namespace"
	// AnnotationOwnerCount is how many subjects are owners.
	AnnotationOwnerCount = "vmware-system-namespace-owner-count"
	// AnnotationCreator is the user of a Namespace that was made with kubectl, sso:<name>@<domain>. The API server writes it.
	AnnotationCreator = "pacific.internal/creator"
)

// UserCenter is center's name as a client of a Supervisor, and its field manager.
const (
	UserCenter   = "pacific:center"
	FieldManager = "pacific-center"
)

// SubjectPrefix is what names of single sign-on begin with in a Supervisor.
const SubjectPrefix = "sso:"

// Subject is a user or group of single sign-on as RBAC knows it.
func Subject(name, domain string) string { return SubjectPrefix + name + "@" + domain }

// ParseSubject is the reverse of Subject.
func ParseSubject(subject string) (name, domain string, ok bool) {
	rest, ok := strings.CutPrefix(subject, SubjectPrefix)
	if !ok {
		return "", "", false
	}
	at := strings.LastIndexByte(rest, '@')
	if at <= 0 || at == len(rest)-1 {
		return "", "", false
	}
	return rest[:at], rest[at+1:], true
}

// Reserved tells whether a label or annotation of a Namespace is center's alone.
func Reserved(key string) bool {
	switch key {
	case LabelCluster, LabelManaged, AnnotationUID, AnnotationCreator:
		return true
	}
	return strings.HasPrefix(key, "vmware-system-")
}

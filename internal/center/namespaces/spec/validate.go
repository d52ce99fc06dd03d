package spec

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"pacific/internal/center/vapi"
)

// Bounds that keep sums and conversions to bytes far from an overflow.
const (
	maxMHz         = 1 << 40
	maxMiB         = 1 << 42
	maxCount       = 1 << 30
	maxShares      = 1_000_000
	maxDescription = 1024
	maxList        = 512
)

// reserved names are those of Kubernetes and of Pacific's own parts; v2 is a path of the API.
var reserved = regexp.MustCompile(`^(default|v2|kube-.*|pacific-.*|vmware-system-.*)$`)

// Name checks the name of a namespace.
func Name(name string) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return vapi.InvalidArgument("namespaces.name", "namespace %q: %s", shown(name), strings.Join(problems, "; "))
	}
	if reserved.MatchString(name) {
		return vapi.InvalidArgument("namespaces.name.reserved", "namespace %q: the name is reserved for the system; choose another", name)
	}
	return nil
}

// shown keeps a long or unprintable text out of a message.
func shown(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "?")
	}
	if runes := []rune(s); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return s
}

// Validate checks a body that makes a namespace.
func (c Create) Validate() error {
	if c.Namespace == "" {
		return missing("namespace")
	}
	if err := Name(c.Namespace); err != nil {
		return err
	}
	if c.Cluster == "" && c.Supervisor == "" {
		return missing("cluster (or supervisor, in version 2 of the API)")
	}
	if c.Cluster != "" && c.Supervisor != "" {
		return vapi.InvalidArgument("namespaces.cluster", "give cluster or supervisor, not both")
	}
	if c.Creator != nil {
		if err := subject("creator", c.Creator.Subject, c.Creator.Domain); err != nil {
			return err
		}
	}
	if err := c.Network.validate(); err != nil {
		return err
	}
	return c.Settings().Validate()
}

// Validate checks a body that changes a namespace, as far as it needs nothing but the body.
func (u Update) Validate() error {
	for _, fixed := range []struct {
		name  string
		given bool
	}{
		{"cluster", u.Cluster != nil}, {"supervisor", u.Supervisor != nil}, {"namespace", u.Namespace != nil},
		{"self_service_namespace", u.SelfService != nil},
	} {
		if fixed.given {
			return vapi.InvalidArgument("namespaces.fixed", "%s cannot change as long as the namespace lives; leave it out", fixed.name)
		}
	}
	if err := u.Network.validate(); err != nil {
		return err
	}
	return u.Apply(Settings{}).Validate()
}

func (n Network) validate() error {
	if len(n.Networks) > 0 || n.NamespaceNetwork != nil || n.NetworkSpec != nil {
		return vapi.Unsupported("namespaces.network", "a namespace has the network of its Supervisor; leave networks, namespace_network and network_spec out")
	}
	if len(n.Zones) > 0 {
		return vapi.Unsupported("namespaces.zones", "a Supervisor is one zone here; leave zones out")
	}
	return nil
}

// Validate checks settings, as far as it needs nothing else.
func (s Settings) Validate() error {
	if !utf8.ValidString(s.Description) || utf8.RuneCountInString(s.Description) > maxDescription {
		return vapi.InvalidArgument("namespaces.description", "the description must be text of at most %d characters", maxDescription)
	}
	if err := s.Resources.validate(); err != nil {
		return err
	}
	if err := AccessList(s.Access); err != nil {
		return err
	}
	if err := storageList(s.Storage); err != nil {
		return err
	}
	if err := names("vm_service_spec.vm_classes", s.VMService.VMClasses); err != nil {
		return err
	}
	if err := names("vm_service_spec.content_libraries", s.VMService.ContentLibraries); err != nil {
		return err
	}
	return libraries(s.ContentLibraries)
}

// AccessList checks subjects and roles, and that no subject has two.
func AccessList(list []Access) error {
	if len(list) > maxList {
		return tooMany("access_list")
	}
	for i, a := range list {
		if err := a.Validate(); err != nil {
			return err
		}
		if slices.ContainsFunc(list[:i], a.SameSubject) {
			return vapi.InvalidArgument("namespaces.access.twice", "access_list names %s %s@%s twice; a subject has one role", strings.ToLower(a.SubjectType), a.Subject, a.Domain)
		}
	}
	return nil
}

// SameSubject tells whether both are about one subject. Names of single sign-on do not distinguish upper and lower case.
func (a Access) SameSubject(b Access) bool {
	return a.SubjectType == b.SubjectType && strings.EqualFold(a.Subject, b.Subject) && strings.EqualFold(a.Domain, b.Domain)
}

// Validate checks one subject and its role.
func (a Access) Validate() error {
	if err := a.ValidateSubject(); err != nil {
		return err
	}
	return Role(a.Role)
}

// ValidateSubject checks the subject alone.
func (a Access) ValidateSubject() error {
	if a.SubjectType != User && a.SubjectType != Group {
		return vapi.InvalidArgument("namespaces.access.type", "subject type %q is none of USER, GROUP", shown(a.SubjectType))
	}
	return subject("subject", a.Subject, a.Domain)
}

// Role checks a role's name.
func Role(role string) error {
	if !slices.Contains([]string{RoleView, RoleEdit, RoleOwner}, role) {
		return vapi.InvalidArgument("namespaces.access.role", "role %q is none of OWNER, EDIT, VIEW", shown(role))
	}
	return nil
}

// subject has to fit into a name of an RBAC object, so it has none of the characters of paths.
func subject(field, name, domain string) error {
	for _, part := range []struct{ field, value string }{{field, name}, {"domain", domain}} {
		bad := strings.ContainsFunc(part.value, func(r rune) bool {
			return r == '/' || r == '%' || r == utf8.RuneError || unicode.IsControl(r) || unicode.IsSpace(r) && r != ' '
		})
		if part.value == "" || len(part.value) > 100 || bad || strings.TrimSpace(part.value) != part.value {
			return vapi.InvalidArgument("namespaces.access.subject", "%s %q is not a name: it has 1 to 100 bytes, no / and no %%", part.field, shown(part.value))
		}
	}
	if strings.Contains(domain, "@") {
		return vapi.InvalidArgument("namespaces.access.subject", "domain %q is not a name: it has an @", shown(domain))
	}
	return nil
}

func storageList(list []Storage) error {
	if len(list) > maxList {
		return tooMany("storage_specs")
	}
	for i, s := range list {
		if s.Policy == "" || len(s.Policy) > 253 {
			return vapi.InvalidArgument("namespaces.storage.policy", "storage_specs[%d]: policy %q is not the id of a storage policy", i, shown(s.Policy))
		}
		if err := between("storage_specs limit of "+shown(s.Policy), s.Limit, 0, maxMiB, "MiB"); err != nil {
			return err
		}
		if slices.ContainsFunc(list[:i], func(other Storage) bool { return other.Policy == s.Policy }) {
			return vapi.InvalidArgument("namespaces.storage.twice", "storage_specs names policy %s twice; give it one limit", s.Policy)
		}
	}
	return nil
}

func names(field string, list []string) error {
	if len(list) > maxList {
		return tooMany(field)
	}
	for i, name := range list {
		if name == "" || len(name) > 253 || !utf8.ValidString(name) {
			return vapi.InvalidArgument("namespaces.id", "%s[%d]: %q is not an id", field, i, shown(name))
		}
		if slices.Contains(list[:i], name) {
			return vapi.InvalidArgument("namespaces.twice", "%s names %s twice", field, name)
		}
	}
	return nil
}

func libraries(list []ContentLibrary) error {
	var ids []string
	for _, l := range list {
		ids = append(ids, l.ContentLibrary)
		if s := l.ResourceNamingStrategy; s != "" && s != "FROM_ITEM_ID" && s != "PREFER_ITEM_SOURCE_ID" {
			return vapi.InvalidArgument("namespaces.library", "resource_naming_strategy %q is none of FROM_ITEM_ID, PREFER_ITEM_SOURCE_ID", shown(s))
		}
	}
	return names("content_libraries", ids)
}

func missing(field string) error {
	return vapi.InvalidArgument("namespaces.missing", "%s is missing", field)
}

func tooMany(field string) error {
	return vapi.InvalidArgument("namespaces.size", "%s has more than %d entries", field, maxList)
}

package namespaces

import (
	"slices"
	"strings"

	namespaceapi "pacific/api/namespace"
	"pacific/internal/center/namespaces/spec"
	"pacific/internal/center/rest"
	"pacific/internal/center/vapi"
)

// user of namespaces, by name@domain, with his groups.
type user struct {
	name   string
	groups []string
}

// whose namespaces a request asks for. Only who may read everything may ask for another user's.
func whose(r *rest.Request) (user, error) {
	query := r.URL.Query()
	self := user{name: r.Principal.String(), groups: r.Principal.Groups}
	name := query.Get("username")
	if name == "" || strings.EqualFold(name, self.name) && !query.Has("groups") {
		return self, nil
	}
	if !r.Principal.Administrator && !r.Principal.ReadOnly {
		return user{}, vapi.Unauthorized("namespaces.user", "%s may ask for its own namespaces only; leave username and groups out", self.name)
	}
	if !strings.Contains(name, "@") {
		return user{}, vapi.InvalidArgument("namespaces.user", "username %q is not of the form name@domain", name)
	}
	var groups []string
	for _, value := range query["groups"] {
		for _, group := range strings.Split(value, ",") {
			if group != "" {
				groups = append(groups, group)
			}
		}
	}
	return user{name: name, groups: groups}, nil
}

// may tells whether the access list, or being an administrator, lets the user in.
func (u user) may(list []spec.Access, administrators string) bool {
	for _, a := range list {
		if u.is(a.SubjectType, a.Subject+"@"+a.Domain) {
			return true
		}
	}
	group, ok := strings.CutPrefix(administrators, namespaceapi.SubjectPrefix)
	return ok && u.is(spec.Group, group)
}

func (u user) is(subjectType, name string) bool {
	if subjectType == spec.User {
		return strings.EqualFold(u.name, name)
	}
	return slices.ContainsFunc(u.groups, func(g string) bool { return strings.EqualFold(g, name) })
}

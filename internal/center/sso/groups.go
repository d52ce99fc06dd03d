package sso

import (
	"net/http"
	"strings"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/vapi"
)

const groupsPath = "/api/pacific/sso/groups"

func lower(name string) string { return strings.ToLower(name) }

func (s *Service) groupRoutes() []rest.Route {
	one := groupsPath + "/{group}"
	return []rest.Route{
		{Method: http.MethodGet, Path: groupsPath, Access: rest.Reader, Handle: s.listGroups},
		{Method: http.MethodPost, Path: groupsPath, Handle: s.createGroup},
		{Method: http.MethodGet, Path: one, Access: rest.Reader, Handle: s.getGroup},
		{Method: http.MethodPatch, Path: one, Handle: s.describeGroup},
		{Method: http.MethodDelete, Path: one, Handle: s.deleteGroup},
		{Method: http.MethodPost, Path: one, Action: "add", Handle: s.addMembers},
		{Method: http.MethodPost, Path: one, Action: "remove", Handle: s.removeMembers},
	}
}

// Group as the API shows one.
type Group struct {
	Name        string              `json:"name"`
	Domain      string              `json:"domain"`
	Description string              `json:"description,omitempty"`
	Members     []directory.Subject `json:"members"`
}

// GroupSpec makes a group.
type GroupSpec struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// Members to add or to remove. A subject's type is USER unless said, its domain center's own.
type Members struct {
	Members []directory.Subject `json:"members"`
}

func (s *Service) showGroup(group directory.Group, err error) (any, error) {
	if err != nil {
		return nil, answer(err)
	}
	return s.groupView(group), nil
}

func (s *Service) groupView(group directory.Group) Group {
	members := append([]directory.Subject{}, group.Members...)
	return Group{Name: group.Name, Domain: s.Directory.Domain, Description: group.Description, Members: members}
}

func (s *Service) listGroups(r *rest.Request) (any, error) {
	groups, err := s.Directory.Groups(r.Context())
	shown := make([]Group, 0, len(groups))
	for _, group := range groups {
		shown = append(shown, s.groupView(group))
	}
	return shown, answer(err)
}

func (s *Service) getGroup(r *rest.Request) (any, error) {
	return s.showGroup(s.Directory.Group(r.Context(), s.named(r, "group")))
}

func (s *Service) createGroup(r *rest.Request) (any, error) {
	var spec GroupSpec
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	shown, err := s.showGroup(s.Directory.CreateGroup(r.Context(), spec.Name, spec.Description))
	if err != nil {
		return nil, err
	}
	return rest.Status{Code: http.StatusCreated, Body: shown}, nil
}

func (s *Service) describeGroup(r *rest.Request) (any, error) {
	var change struct {
		Description string `json:"description"`
	}
	if err := r.Decode(&change); err != nil {
		return nil, err
	}
	return s.showGroup(s.Directory.DescribeGroup(r.Context(), s.named(r, "group"), change.Description))
}

func (s *Service) deleteGroup(r *rest.Request) (any, error) {
	return nil, answer(s.Directory.DeleteGroup(r.Context(), s.named(r, "group")))
}

func (s *Service) addMembers(r *rest.Request) (any, error) {
	members, err := decodeMembers(r)
	if err != nil {
		return nil, err
	}
	return s.showGroup(s.Directory.AddMembers(r.Context(), s.named(r, "group"), members))
}

func (s *Service) removeMembers(r *rest.Request) (any, error) {
	members, err := decodeMembers(r)
	if err != nil {
		return nil, err
	}
	return s.showGroup(s.Directory.RemoveMembers(r.Context(), s.named(r, "group"), members))
}

func decodeMembers(r *rest.Request) ([]directory.Subject, error) {
	var body Members
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if len(body.Members) == 0 {
		return nil, vapi.InvalidArgument("sso.members", "name at least one member")
	}
	return body.Members, nil
}

package sso

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"time"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/vapi"
)

const usersPath = "/api/pacific/sso/users"

func (s *Service) userRoutes() []rest.Route {
	one := usersPath + "/{user}"
	return []rest.Route{
		{Method: http.MethodGet, Path: usersPath, Access: rest.Reader, Handle: s.listUsers},
		{Method: http.MethodPost, Path: usersPath, Handle: s.createUser},
		{Method: http.MethodGet, Path: one, Access: rest.Reader, Handle: s.getUser},
		{Method: http.MethodPatch, Path: one, Handle: s.updateUser},
		{Method: http.MethodDelete, Path: one, Handle: s.deleteUser},
		{Method: http.MethodPost, Path: one, Action: "set-password", Handle: s.setPassword},
		{Method: http.MethodPost, Path: one, Action: "unlock", Handle: s.unlock},
		{Method: http.MethodPost, Path: "/api/pacific/sso/self", Action: "change-password", Access: rest.Anyone, Handle: s.changePassword},
		{Method: http.MethodGet, Path: "/api/pacific/sso/self", Access: rest.SignedIn, Handle: s.self},
	}
}

// User as the API shows one.
type User struct {
	Name   string `json:"name"`
	Domain string `json:"domain"`
	directory.Profile
	Disabled bool `json:"disabled"`
	Locked   bool `json:"locked"`
	// LockedUntil is there while the user is locked.
	LockedUntil *time.Time `json:"locked_until,omitempty"`
	// Certificate of a solution user, PEM.
	Certificate     string     `json:"certificate,omitempty"`
	Created         time.Time  `json:"created"`
	PasswordChanged *time.Time `json:"password_changed,omitempty"`
	Groups          []string   `json:"groups"`
}

func encodeCertificate(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}

// UserSpec makes a user; a solution user has a certificate instead of a password.
type UserSpec struct {
	Name        string `json:"name"`
	Password    string `json:"password,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	directory.Profile
}

func (s *Service) listUsers(r *rest.Request) (any, error) {
	ctx := r.Context()
	users, err := s.Directory.Users(ctx)
	if err != nil {
		return nil, answer(err)
	}
	locked, err := s.Directory.LockedUntil(ctx)
	if err != nil {
		return nil, answer(err)
	}
	shown := make([]User, 0, len(users))
	for _, user := range users {
		view, err := s.view(ctx, user, locked)
		if err != nil {
			return nil, err
		}
		shown = append(shown, view)
	}
	slices.SortFunc(shown, func(a, b User) int { return cmp.Compare(a.Name, b.Name) })
	return shown, nil
}

func (s *Service) view(ctx context.Context, user directory.User, locked map[string]time.Time) (User, error) {
	identity, err := s.local(ctx, user)
	if err != nil {
		return User{}, err
	}
	view := User{
		Name: user.Name, Domain: s.Directory.Domain, Profile: user.Profile, Disabled: user.Disabled,
		Certificate: user.Certificate, Created: user.Created, Groups: []string{},
	}
	if user.Certificate == "" {
		view.PasswordChanged = &user.PasswordSet
	}
	if until, ok := locked[lower(user.Name)]; ok {
		view.Locked, view.LockedUntil = true, &until
	}
	for _, group := range identity.Groups {
		view.Groups = append(view.Groups, group.String())
	}
	return view, nil
}

func (s *Service) showUser(ctx context.Context, user directory.User, err error) (any, error) {
	if err != nil {
		return nil, answer(err)
	}
	locked, err := s.Directory.LockedUntil(ctx)
	if err != nil {
		return nil, answer(err)
	}
	return s.view(ctx, user, locked)
}

// named is the name in the path, which may carry the domain of center's own users.
func (s *Service) named(r *rest.Request, wildcard string) string {
	name, domain := s.Directory.Split(r.PathValue(wildcard))
	if domain != s.Directory.Domain {
		return r.PathValue(wildcard) // which no record has
	}
	return name
}

func (s *Service) getUser(r *rest.Request) (any, error) {
	user, err := s.Directory.User(r.Context(), s.named(r, "user"))
	return s.showUser(r.Context(), user, err)
}

func (s *Service) createUser(r *rest.Request) (any, error) {
	var spec UserSpec
	if err := r.Decode(&spec); err != nil {
		return nil, err
	}
	if (spec.Password == "") == (spec.Certificate == "") {
		return nil, vapi.InvalidArgument("sso.user", "give a password for a person, or a certificate for a program")
	}
	var user directory.User
	var err error
	if spec.Certificate != "" {
		user, err = s.Directory.CreateSolutionUser(r.Context(), spec.Name, spec.Profile, spec.Certificate)
	} else {
		user, err = s.Directory.CreateUser(r.Context(), spec.Name, spec.Profile, spec.Password)
	}
	shown, err := s.showUser(r.Context(), user, err)
	if err != nil {
		return nil, err
	}
	return rest.Status{Code: http.StatusCreated, Body: shown}, nil
}

func (s *Service) updateUser(r *rest.Request) (any, error) {
	var change struct {
		GivenName   *string `json:"given_name"`
		FamilyName  *string `json:"family_name"`
		Email       *string `json:"email"`
		Description *string `json:"description"`
		Disabled    *bool   `json:"disabled"`
	}
	if err := r.Decode(&change); err != nil {
		return nil, err
	}
	user, err := s.Directory.UpdateUser(r.Context(), s.named(r, "user"), func(p *directory.Profile, disabled *bool) {
		set(&p.GivenName, change.GivenName)
		set(&p.FamilyName, change.FamilyName)
		set(&p.Email, change.Email)
		set(&p.Description, change.Description)
		set(disabled, change.Disabled)
	})
	return s.showUser(r.Context(), user, err)
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

func (s *Service) deleteUser(r *rest.Request) (any, error) {
	return nil, answer(s.Directory.DeleteUser(r.Context(), s.named(r, "user")))
}

func (s *Service) setPassword(r *rest.Request) (any, error) {
	var body struct {
		Password string `json:"password"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return nil, answer(s.Directory.SetPassword(r.Context(), s.named(r, "user"), body.Password))
}

func (s *Service) unlock(r *rest.Request) (any, error) {
	return nil, answer(s.Directory.Unlock(r.Context(), s.named(r, "user")))
}

// changePassword is for users themselves, also when their password has expired, so it asks for name and password, no session.
func (s *Service) changePassword(r *rest.Request) (any, error) {
	name, current, ok := r.BasicAuth()
	if !ok {
		return nil, vapi.Unauthenticated("credentials", "give user and present password by the header Authorization: Basic")
	}
	var body struct {
		Password string `json:"password"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	source := sourceOf(r.Request)
	if err := s.limiter.check(source); err != nil {
		return nil, err
	}
	short, domain := s.Directory.Split(name)
	if domain != s.Directory.Domain {
		short = ""
	}
	err := s.Directory.ChangePassword(r.Context(), short, current, body.Password)
	if err == nil {
		r.Principal.Name, r.Principal.Domain = short, domain
		return nil, nil
	}
	if errors.Is(err, directory.ErrCredentials) {
		return nil, s.refused(source, err)
	}
	return nil, answer(err)
}

// Self says who the caller is.
type Self struct {
	Name   string   `json:"name"`
	Domain string   `json:"domain"`
	Groups []string `json:"groups"`
	Roles  []string `json:"roles"`
}

func (s *Service) self(r *rest.Request) (any, error) {
	self := Self{Name: r.Principal.Name, Domain: r.Principal.Domain, Groups: append([]string{}, r.Principal.Groups...), Roles: []string{}}
	if r.Principal.Administrator {
		self.Roles = append(self.Roles, directory.Administrator)
	}
	if r.Principal.ReadOnly {
		self.Roles = append(self.Roles, directory.ReadOnly)
	}
	return self, nil
}

package sso

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/oidc"
	"pacific/internal/center/sso/sts"
	"pacific/internal/center/vapi"
)

// Source is an external identity source: it tells whom a token speaks of that it has given to somebody who signed in there.
type Source interface {
	Verify(ctx context.Context, token string) (oidc.Identity, error)
	// HasDomain tells whether the source's people have names of that domain.
	HasDomain(ctx context.Context, domain string) (bool, error)
}

// byExternalToken signs in by a token of an external source.
func (s *Service) byExternalToken(ctx context.Context, source, token string) (Identity, error) {
	if err := s.limiter.check(source); err != nil {
		return Identity{}, err
	}
	who, err := s.source.Verify(ctx, token)
	if errors.Is(err, oidc.ErrToken) {
		s.limiter.failed(source)
		return Identity{}, vapi.Unauthenticated("token", "%v", err)
	}
	if err != nil {
		return Identity{}, unavailable(err)
	}
	if !externalName(who.Name) {
		return Identity{}, vapi.Unauthenticated("token", "the user's name in the token has characters that no name may have")
	}
	var groups []directory.Subject
	for _, name := range who.Groups {
		if externalName(name) { // a group that cannot be named can be given no rights
			groups = append(groups, directory.Subject{Type: directory.GroupType, Name: name, Domain: who.Domain})
		}
	}
	return s.external(ctx, directory.Subject{Type: directory.UserType, Name: who.Name, Domain: who.Domain}, groups, who.NotAfter)
}

func externalName(name string) bool {
	return name != "" && len(name) <= 256 && strings.TrimSpace(name) == name && !strings.ContainsAny(name, `/\<>&`) && !strings.ContainsFunc(name, unicode.IsControl)
}

// Types of RFC 8693.
const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeIDToken   = "urn:ietf:params:oauth:token-type:id_token"
	typeSAML2     = "urn:ietf:params:oauth:token-type:saml2"
)

func (s *Service) externalRoutes() []rest.Route {
	return []rest.Route{{Method: http.MethodPost, Path: "/api/vcenter/authentication/token", Access: rest.Anyone, Handle: s.exchangeToken}}
}

// TokenInfo is the answer to an exchange, as RFC 8693 has it. The assertion is base64url, as RFC 7522 has it.
type TokenInfo struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
}

// exchangeToken gives a SAML assertion for an external ID token.
func (s *Service) exchangeToken(r *rest.Request) (any, error) {
	var body struct {
		GrantType          string `json:"grant_type"`
		SubjectToken       string `json:"subject_token"`
		SubjectTokenType   string `json:"subject_token_type"`
		RequestedTokenType string `json:"requested_token_type"`
		Audience           string `json:"audience"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if body.GrantType != grantExchange || body.SubjectTokenType != typeIDToken || body.RequestedTokenType != "" && body.RequestedTokenType != typeSAML2 {
		return nil, vapi.InvalidArgument("sso.exchange", "grant_type must be %s, subject_token_type %s, requested_token_type %s", grantExchange, typeIDToken, typeSAML2)
	}
	identity, err := s.byExternalToken(r.Context(), sourceOf(r.Request), body.SubjectToken)
	if err != nil {
		return nil, err
	}
	r.Principal.Name, r.Principal.Domain = identity.User.Name, identity.User.Domain
	o := sts.Options{Life: sts.MaxBearerLife}
	if body.Audience != "" {
		o.Audience = []string{body.Audience}
	}
	a, assertion, err := s.Issue(r.Context(), identity, o)
	if err != nil {
		return nil, vapi.InvalidArgument("sso.exchange", "%v", err)
	}
	return TokenInfo{
		AccessToken: base64.RawURLEncoding.EncodeToString(assertion), IssuedTokenType: typeSAML2, TokenType: "N_A",
		ExpiresIn: int(a.NotOnOrAfter.Sub(a.NotBefore).Seconds()),
	}, nil
}

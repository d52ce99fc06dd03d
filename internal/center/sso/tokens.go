package sso

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"pacific/internal/center/rest"
	"pacific/internal/center/sso/directory"
	"pacific/internal/center/sso/sts"
	"pacific/internal/center/store"
	"pacific/internal/center/vapi"
)

// ActAsGroup may get assertions of others that these have delegated. Programs that work for people belong into it.
const ActAsGroup = "ActAsUsers"

// used is the record of a signed request that must not be repeated.
type used struct{}

func (s *Service) tokenRoutes() []rest.Route {
	const certificate = "/api/vcenter/certificate-management/vcenter/signing-certificate"
	return []rest.Route{
		{Method: http.MethodPost, Path: sts.Path, Access: rest.Anyone, Handle: s.trust},
		{Method: http.MethodPost, Path: sts.Path + "/{domain}", Access: rest.Anyone, Handle: s.trust},
		{Method: http.MethodGet, Path: certificate, Access: rest.SignedIn, Handle: s.signingCertificate},
		{Method: http.MethodPost, Path: certificate, Action: "refresh", Handle: s.rotate},
	}
}

// trust answers a request of WS-Trust.
func (s *Service) trust(r *rest.Request) (any, error) {
	if domain := r.PathValue("domain"); domain != "" && !strings.EqualFold(domain, s.Directory.Domain) {
		return nil, vapi.NotFound("sso.domain", "there is no security token service of domain %s: there is that of %s", domain, s.Directory.Domain)
	}
	answer := s.Tokens.Answer(nil, r.Request)
	if answer.Err == nil && answer.Subject != "" {
		r.Principal.Name, r.Principal.Domain = s.Directory.Split(answer.Subject)
	}
	return rest.Raw(answer.Write), nil
}

// SigningCertificates in PEM, as the original shows them.
type SigningCertificates struct {
	Active certificateChain   `json:"active_cert_chain"`
	All    []certificateChain `json:"signing_cert_chains"`
}

type certificateChain struct {
	Chain []string `json:"cert_chain"`
}

func (s *Service) signingCertificate(*rest.Request) (any, error) {
	var shown SigningCertificates
	for _, cert := range s.Tokens.Keys.Trusted(s.now()) {
		shown.Active = certificateChain{[]string{encodeCertificate(cert)}}
		shown.All = append(shown.All, shown.Active)
	}
	return shown, nil
}

func (s *Service) rotate(r *rest.Request) (any, error) {
	if err := s.Tokens.Keys.Rotate(s.now()); err != nil {
		return nil, unavailable(err)
	}
	return s.signingCertificate(r)
}

// byAssertion signs in by the header Authorization: SIGN.
func (s *Service) byAssertion(r *rest.Request) (Identity, error) {
	source := sourceOf(r.Request)
	if err := s.limiter.check(source); err != nil {
		return Identity{}, err
	}
	identity, err := s.checkAssertion(r)
	if errors.Is(err, sts.ErrAuthentication) {
		s.limiter.failed(source)
		return Identity{}, vapi.Unauthenticated("assertion", "%v", err)
	}
	return identity, err
}

func (s *Service) checkAssertion(r *rest.Request) (Identity, error) {
	refuse := func(err error) error { return fmt.Errorf("%w: %w", sts.ErrAuthentication, err) }
	header, err := sts.ParseSignHeader(r.Header.Get("Authorization"))
	if err != nil {
		return Identity{}, refuse(err)
	}
	a, err := s.Tokens.Verifier().Verify(header.Assertion, s.now())
	if err != nil {
		return Identity{}, refuse(err)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return Identity{}, refuse(err)
	}
	id, until, err := header.Prove(a, r.Request, body, s.now())
	if err != nil {
		return Identity{}, refuse(err)
	}
	if id != "" {
		if err := s.once(r.Context(), id, until); err != nil {
			return Identity{}, refuse(err)
		}
	}
	return s.identityIn(r.Context(), a)
}

// identityIn an assertion that has been verified, as it is now.
func (s *Service) identityIn(ctx context.Context, a sts.Assertion) (Identity, error) {
	if a.Domain != s.Directory.Domain {
		var groups []directory.Subject
		for _, group := range a.Groups {
			if group.Domain == a.Domain {
				groups = append(groups, directory.Subject{Type: directory.GroupType, Name: group.Name, Domain: group.Domain})
			}
		}
		known, err := s.Directory.KnownDomain(ctx, a.Domain)
		if err != nil {
			return Identity{}, unavailable(err)
		}
		if !known {
			return Identity{}, fmt.Errorf("%w: there is no identity source of domain %s any more", sts.ErrAuthentication, a.Domain)
		}
		return s.external(ctx, directory.Subject{Type: directory.UserType, Name: a.Subject, Domain: a.Domain}, groups, a.NotOnOrAfter)
	}
	user, err := s.Directory.User(ctx, a.Subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Identity{}, unavailable(err)
	}
	// Times in assertions have milliseconds.
	if err != nil || user.Disabled || a.AuthnInstant.Before(user.ValidFrom.Truncate(time.Millisecond)) {
		return Identity{}, fmt.Errorf("%w: %s@%s has been deleted, disabled or given a new password since: sign in again", sts.ErrAuthentication, a.Subject, a.Domain)
	}
	return s.local(ctx, user)
}

// VerifyBearer is for who gives something for a bearer's assertion, such as the token exchange. The subject's groups are those
// of now. Errors that wrap [sts.ErrAuthentication], and those of a signature or of times, are the caller's fault.
func (s *Service) VerifyBearer(ctx context.Context, assertion []byte) (sts.Assertion, error) {
	a, err := s.Tokens.Verifier().Verify(assertion, s.now())
	if err != nil {
		return a, fmt.Errorf("%w: %w", sts.ErrAuthentication, err)
	}
	if a.Holder != nil {
		return a, fmt.Errorf("%w: the assertion is bound to a key, which a bearer cannot prove to have", sts.ErrAuthentication)
	}
	subject, err := subjects{s}.Current(ctx, a)
	a.Groups = subject.Groups
	return a, err
}

// Issue a bearer's assertion for somebody who has just signed in.
func (s *Service) Issue(ctx context.Context, i Identity, o sts.Options) (sts.Assertion, []byte, error) {
	subject, err := s.subject(ctx, i)
	if err != nil {
		return sts.Assertion{}, nil, err
	}
	return s.Tokens.Issue(subject, o)
}

func (s *Service) once(ctx context.Context, id string, until time.Time) error {
	return store.Of[used](s.records, "sso-used").CreateFor(ctx, id, used{}, until.Sub(s.now()))
}

// subjects is what the security token service knows of people.
type subjects struct{ *Service }

func (s subjects) ByPassword(ctx context.Context, source, name, password string) (sts.Subject, error) {
	identity, err := s.Service.ByPassword(ctx, source, name, password)
	if err != nil {
		if vapi.Of(err).Status() == http.StatusUnauthorized {
			err = fmt.Errorf("%w: %w", sts.ErrAuthentication, err)
		}
		return sts.Subject{}, err
	}
	return s.subject(ctx, identity)
}

func (s subjects) ByCertificate(ctx context.Context, certificate *x509.Certificate) (sts.Subject, error) {
	user, err := s.Directory.UserOfCertificate(ctx, certificate.Raw)
	if errors.Is(err, directory.ErrCredentials) {
		return sts.Subject{}, fmt.Errorf("%w: no solution user has the certificate; register it by pacific center user create NAME --certificate FILE, or add user and password", sts.ErrAuthentication)
	}
	if err != nil {
		return sts.Subject{}, err
	}
	identity, err := s.local(ctx, user)
	if err != nil {
		return sts.Subject{}, err
	}
	return s.subject(ctx, identity)
}

func (s subjects) Current(ctx context.Context, a sts.Assertion) (sts.Subject, error) {
	identity, err := s.identityIn(ctx, a)
	if err != nil {
		return sts.Subject{}, err
	}
	return s.subject(ctx, identity)
}

func (s *Service) subject(ctx context.Context, i Identity) (sts.Subject, error) {
	administrator, _, err := s.Directory.RolesOf(ctx, i.User, i.Groups)
	if err != nil {
		return sts.Subject{}, unavailable(err)
	}
	subject := sts.Subject{
		Name: i.User.Name, Domain: i.User.Domain, GivenName: i.Profile.GivenName, Surname: i.Profile.FamilyName,
		Solution: i.Solution, NotAfter: i.notAfter,
	}
	for _, group := range i.Groups {
		subject.Groups = append(subject.Groups, sts.Group{Name: group.Name, Domain: group.Domain})
	}
	acting := directory.Subject{Type: directory.GroupType, Name: ActAsGroup, Domain: s.Directory.Domain}
	subject.MayActAs = administrator || slices.ContainsFunc(i.Groups, func(g directory.Subject) bool { return strings.EqualFold(g.String(), acting.String()) })
	return subject, nil
}

package sts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beevik/etree"
)

// ErrAuthentication says that who asks has not proved who he is.
var ErrAuthentication = errors.New("authentication failed")

// Subject is somebody for whom assertions are issued.
type Subject struct {
	Name, Domain       string
	GivenName, Surname string
	Groups             []Group
	Solution           bool
	// MayActAs tells whether it may get assertions of others that are delegated to it.
	MayActAs bool
	// NotAfter ends what is issued at the latest, if an external source said so; else zero.
	NotAfter time.Time
}

// String is name@domain.
func (s Subject) String() string { return s.Name + "@" + s.Domain }

// Directory knows the subjects. Errors that wrap [ErrAuthentication] are told to who asks.
type Directory interface {
	// ByPassword signs somebody in; source is the caller's address.
	ByPassword(ctx context.Context, source, name, password string) (Subject, error)
	// ByCertificate is the program that has this certificate; its key has been proved.
	ByCertificate(ctx context.Context, certificate *x509.Certificate) (Subject, error)
	// Current is the subject of an assertion as it is now. It is refused when it was deleted or disabled, or given a new
	// password after it had proved who it is.
	Current(ctx context.Context, a Assertion) (Subject, error)
}

// Once records that something was used, until a time; it fails when it was used before.
type Once func(ctx context.Context, id string, until time.Time) error

// Service issues, renews and validates assertions.
type Service struct {
	Issuer    string
	Keys      *Keyring
	Directory Directory
	Once      Once
	// Audience is how center itself is named in an AudienceRestriction.
	Audience []string
	Now      func() time.Time
}

// Verifier of the service's assertions.
func (s *Service) Verifier() Verifier {
	return Verifier{Issuer: s.Issuer, Trusted: s.Keys.Trusted, Audience: s.Audience}
}

// Options of an assertion.
type Options struct {
	Life                   time.Duration
	Holder                 *x509.Certificate
	Audience               []string
	Renewable, Delegatable bool
}

// Issue an assertion for somebody who has just proved who he is.
func (s *Service) Issue(subject Subject, o Options) (Assertion, []byte, error) {
	a := s.prepare(subject, o, s.Now().UTC())
	a.context = contextPassword
	return s.finish(a, subject, o.Life)
}

func (s *Service) prepare(subject Subject, o Options, proved time.Time) Assertion {
	a := Assertion{
		Subject: subject.Name, Domain: subject.Domain, GivenName: subject.GivenName, Surname: subject.Surname,
		Groups: subject.Groups, Solution: subject.Solution, AuthnInstant: proved, Audience: o.Audience, Holder: o.Holder,
	}
	if o.Renewable {
		a.Renewals = maxRenewals
	}
	if o.Delegatable {
		a.Delegations = maxDelegations
	}
	return a
}

// finish sets the times and signs.
func (s *Service) finish(a Assertion, subject Subject, life time.Duration) (Assertion, []byte, error) {
	now := s.Now().UTC()
	a.IssueInstant, a.NotBefore = now, now
	a.NotOnOrAfter = now.Add(lifeOf(life, a.Holder != nil, a.AuthnInstant, now))
	if !subject.NotAfter.IsZero() && subject.NotAfter.Before(a.NotOnOrAfter) {
		a.NotOnOrAfter = subject.NotAfter
	}
	if !now.Before(a.NotOnOrAfter) {
		return a, nil, refused(codeUnableToRenew, "the time for which %s may go on without signing in again is over", subject)
	}
	return s.Keys.sign(s.Issuer, a)
}

// result of a request.
type result struct {
	kind      kind
	subject   string
	assertion Assertion
	xml       []byte
	invalid   string // of Validate: why the assertion is not valid
}

// answer a request. source is the caller's address.
func (s *Service) answer(ctx context.Context, source string, data []byte) (result, error) {
	e, err := parseEnvelope(data)
	if err != nil {
		return result{}, err
	}
	now := s.Now()
	if err := e.security.checkTime(now); err != nil {
		return result{kind: e.request.kind}, err
	}
	verify := func(element *etree.Element) (Assertion, error) { return s.Verifier().verify(element, now) }
	by, err := e.security.verifySignature(e.body, verify)
	if err != nil {
		return result{kind: e.request.kind}, err
	}
	r := result{kind: e.request.kind}
	switch e.request.kind {
	case renew:
		err = s.renew(ctx, e, by, &r)
	case validate:
		s.validate(ctx, e, &r)
	default:
		err = s.issue(ctx, source, e, by, &r)
	}
	return r, err
}

func (s *Service) issue(ctx context.Context, source string, e envelope, by *signer, r *result) error {
	subject, proved, how, err := s.authenticate(ctx, source, e, by)
	if err != nil {
		return err
	}
	r.subject = subject.String()
	o := Options{Life: e.request.life, Audience: e.request.audience, Renewable: e.request.renewable, Delegatable: e.request.delegatable}
	if e.request.holder {
		if o.Holder, err = holderOf(e.request, by); err != nil {
			return err
		}
	} else if by != nil {
		// A bearer's assertion is of use to whoever repeats the request; one that is bound to a key is not.
		if err := s.once(ctx, by); err != nil {
			return err
		}
	}
	a := s.prepare(subject, o, proved)
	a.context = how
	if e.request.actAs {
		if a, subject, err = s.actAs(ctx, e, a, subject); err != nil {
			return err
		}
	}
	r.assertion, r.xml, err = s.finish(a, subject, o.Life)
	return err
}

// authenticate who asks, by password, by a program's certificate, or by the holder's key of an assertion.
func (s *Service) authenticate(ctx context.Context, source string, e envelope, by *signer) (Subject, time.Time, string, error) {
	now := s.Now().UTC()
	switch {
	case e.security.hasUser:
		subject, err := s.Directory.ByPassword(ctx, source, e.security.username, e.security.password)
		return subject, now, contextPassword, err
	case by == nil:
		return Subject{}, now, "", refused(codeFailedAuthentication, "the request has neither a UsernameToken nor a signature")
	case by.assertion != nil:
		subject, err := s.Directory.Current(ctx, *by.assertion)
		return subject, by.assertion.AuthnInstant, contextPrevious, err
	default:
		if now.Before(by.certificate.NotBefore) || now.After(by.certificate.NotAfter) {
			return Subject{}, now, "", refused(codeFailedAuthentication, "the certificate is not valid now")
		}
		subject, err := s.Directory.ByCertificate(ctx, by.certificate)
		return subject, now, contextX509, err
	}
}

// holderOf the new assertion: the key of the signature, if that is the one that UseKey names.
func holderOf(r request, by *signer) (*x509.Certificate, error) {
	if by == nil {
		return nil, refused(codeInvalidRequest, "an assertion for the holder of a key takes a request that is signed by that key")
	}
	if r.useKey != "" && r.useKey != by.id {
		return nil, refused(codeInvalidRequest, "UseKey does not refer to the signature of the request")
	}
	return by.certificate, nil
}

func (s *Service) once(ctx context.Context, by *signer) error {
	sum := sha256.Sum256(by.value)
	if err := s.Once(ctx, hex.EncodeToString(sum[:]), s.Now().Add(2*maxSkew+time.Minute)); err != nil {
		return refused(codeInvalidRequest, "the request was made before")
	}
	return nil
}

// actAs makes the assertion one of the token's subject, for whom the requester acts.
func (s *Service) actAs(ctx context.Context, e envelope, a Assertion, requester Subject) (Assertion, Subject, error) {
	if !requester.MayActAs {
		return a, requester, refused(codeRequestFailed, "%s may not act as others: that takes membership in the group ActAsUsers, or the role Administrator", requester)
	}
	token, err := s.Verifier().verify(e.request.token, s.Now())
	if err != nil {
		return a, requester, &fault{codeInvalidSecurityToken, err}
	}
	if token.Delegations < 1 {
		return a, requester, refused(codeRequestFailed, "the assertion of %s@%s may not be delegated", token.Subject, token.Domain)
	}
	subject, err := s.Directory.Current(ctx, token)
	if err != nil {
		return a, requester, err
	}
	o := Options{Holder: a.Holder, Audience: a.Audience, Renewable: e.request.renewable && a.Holder != nil}
	delegated := s.prepare(subject, o, token.AuthnInstant)
	delegated.context = contextPrevious
	if e.request.delegatable {
		delegated.Delegations = token.Delegations - 1
	}
	delegated.Delegates = append(slices.Clone(token.Delegates), Delegate{Subject: requester.String(), Since: s.Now().UTC()})
	return delegated, subject, nil
}

func (s *Service) renew(ctx context.Context, e envelope, by *signer, r *result) error {
	token, err := s.Verifier().verify(e.request.token, s.Now())
	if err != nil {
		return &fault{codeInvalidSecurityToken, err}
	}
	r.subject = token.Subject + "@" + token.Domain
	if token.Renewals < 1 {
		return refused(codeUnableToRenew, "the assertion may not be renewed, or not once more: it was not issued with Renewing Allow, or has been renewed as often as it may")
	}
	if token.Holder != nil && (by == nil || !bytes.Equal(by.certificate.RawSubjectPublicKeyInfo, token.Holder.RawSubjectPublicKeyInfo)) {
		return refused(codeInvalidSecurityToken, "the assertion is bound to a key, and the request is not signed by that key")
	}
	subject, err := s.Directory.Current(ctx, token)
	if err != nil {
		return err
	}
	a := s.prepare(subject, Options{Holder: token.Holder, Audience: token.Audience}, token.AuthnInstant)
	a.Renewals, a.Delegations, a.Delegates, a.context = token.Renewals-1, token.Delegations, token.Delegates, token.context
	r.assertion, r.xml, err = s.finish(a, subject, e.request.life)
	return err
}

// validate tells whether an assertion is valid; that it is not is no fault of the request.
func (s *Service) validate(ctx context.Context, e envelope, r *result) {
	token, err := s.Verifier().verify(e.request.token, s.Now())
	if err == nil {
		r.subject = token.Subject + "@" + token.Domain
		_, err = s.Directory.Current(ctx, token)
	}
	if err != nil {
		r.invalid = fmt.Sprint(err)
	}
}

package sts

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Group of a domain.
type Group struct{ Name, Domain string }

// String is name@domain.
func (g Group) String() string { return g.Name + "@" + g.Domain }

// Delegate acted for the subject since some time.
type Delegate struct {
	Subject string // name@domain
	Since   time.Time
}

// Assertion is what an assertion says.
type Assertion struct {
	ID              string
	Issuer          string
	Subject, Domain string
	GivenName       string
	Surname         string
	Groups          []Group
	// Solution is a program's, not a person's.
	Solution bool
	// IssueInstant is when it was issued, AuthnInstant when the subject proved who it is, perhaps for an earlier assertion.
	IssueInstant, AuthnInstant time.Time
	NotBefore, NotOnOrAfter    time.Time
	// Audience is whom it is for; empty: anybody who trusts the issuer.
	Audience []string
	// Holder is the certificate whose key the subject has to prove to have; nil for a bearer's assertion.
	Holder *x509.Certificate
	// Renewals and Delegations are how often it may be renewed and delegated.
	Renewals, Delegations int
	Delegates             []Delegate

	context string // how the subject proved who it is
}

// HolderKey is the key that is to be proved, nil for a bearer's assertion.
func (a Assertion) HolderKey() crypto.PublicKey {
	if a.Holder == nil {
		return nil
	}
	return a.Holder.PublicKey
}

// read what the element says; it has been verified.
func read(e *etree.Element) (Assertion, error) {
	r := reader{}
	a := Assertion{ID: e.SelectAttrValue("ID", ""), IssueInstant: r.time(e, "IssueInstant")}
	r.demand(a.ID != "" && e.SelectAttrValue("Version", "") == "2.0", "it has no ID or is not of version 2.0")
	a.Issuer = r.text(e, "Issuer")
	r.subject(e, &a)
	r.conditions(e, &a)
	r.statements(e, &a)
	return a, r.err
}

// reader keeps the first thing that is wrong.
type reader struct{ err error }

func (r *reader) demand(ok bool, format string, args ...any) {
	if !ok && r.err == nil {
		r.err = fmt.Errorf("the assertion cannot be read: "+format, args...)
	}
}

// one child, which has to be there.
func (r *reader) one(e *etree.Element, tag string) *etree.Element {
	child, err := one(e, nsAssertion, tag)
	r.demand(err == nil && child != nil, "there is not exactly one %s", tag)
	if child == nil {
		return etree.NewElement(tag) // so that nobody has to ask; the error is kept
	}
	return child
}

func (r *reader) text(e *etree.Element, tag string) string {
	value, err := text(r.one(e, tag))
	r.demand(err == nil, "%v", err)
	return value
}

func (r *reader) time(e *etree.Element, name string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, e.SelectAttrValue(name, ""))
	r.demand(err == nil, "%s has no time %s", e.Tag, name)
	return at
}

func (r *reader) count(e *etree.Element) int {
	n, err := strconv.Atoi(e.SelectAttrValue("Count", ""))
	r.demand(err == nil && n >= 0, "%s has no Count", e.Tag)
	return n
}

func (r *reader) subject(e *etree.Element, a *Assertion) {
	subject := r.one(e, "Subject")
	name := r.text(subject, "NameID")
	at := strings.LastIndexByte(name, '@')
	r.demand(at > 0 && at < len(name)-1, "%.128q is not name@domain", name)
	if r.err != nil {
		return
	}
	a.Subject, a.Domain = name[:at], strings.ToLower(name[at+1:])
	confirmation := r.one(subject, "SubjectConfirmation")
	data := r.one(confirmation, "SubjectConfirmationData")
	switch method := confirmation.SelectAttrValue("Method", ""); method {
	case methodBearer:
		if data.SelectAttr("NotOnOrAfter") != nil {
			a.NotOnOrAfter = r.time(data, "NotOnOrAfter")
		}
	case methodHolderOfKey:
		a.Holder = r.holder(data)
	default:
		r.demand(false, "%.128q is no way to confirm a subject", method)
	}
}

func (r *reader) holder(data *etree.Element) *x509.Certificate {
	cert, err := keyInfoCertificate(data)
	r.demand(err == nil, "the key of its holder: %v", err)
	return cert
}

// keyInfoCertificate is the certificate in an element's KeyInfo/X509Data.
func keyInfoCertificate(e *etree.Element) (*x509.Certificate, error) {
	for _, tag := range []string{"KeyInfo", "X509Data", "X509Certificate"} {
		child, err := one(e, nsSignature, tag)
		if err != nil {
			return nil, err
		}
		if child == nil {
			return nil, fmt.Errorf("there is no %s", tag)
		}
		e = child
	}
	value, err := text(e)
	if err != nil {
		return nil, err
	}
	return decodeCertificate(value)
}

func (r *reader) conditions(e *etree.Element, a *Assertion) {
	conditions := r.one(e, "Conditions")
	a.NotBefore = r.time(conditions, "NotBefore")
	notOnOrAfter := r.time(conditions, "NotOnOrAfter")
	if a.NotOnOrAfter.IsZero() || notOnOrAfter.Before(a.NotOnOrAfter) {
		a.NotOnOrAfter = notOnOrAfter
	}
	for _, condition := range conditions.ChildElements() {
		switch kind := condition.SelectAttrValue("xsi:type", ""); {
		case is(condition, nsAssertion, "ProxyRestriction"):
			a.Delegations = r.count(condition)
		case is(condition, nsAssertion, "AudienceRestriction"):
			a.Audience = append(a.Audience, r.audience(condition)...)
		case is(condition, nsAssertion, "Condition") && kind == typeRenewal:
			a.Renewals = r.count(condition)
		case is(condition, nsAssertion, "Condition") && kind == typeDelegation:
			a.Delegates = r.delegates(condition)
		default: // SAML core 2.5.1: whoever does not understand a condition must not accept the assertion
			r.demand(false, "the condition %s is not understood", condition.Tag)
		}
	}
}

func (r *reader) audience(e *etree.Element) []string {
	var audience []string
	for _, child := range children(e, nsAssertion, "Audience") {
		value, err := text(child)
		r.demand(err == nil && value != "", "the audience is empty")
		audience = append(audience, value)
	}
	r.demand(len(audience) > 0, "the audience is empty")
	return audience
}

func (r *reader) delegates(e *etree.Element) []Delegate {
	var delegates []Delegate
	for _, child := range children(e, nsDelegate, "Delegate") {
		delegates = append(delegates, Delegate{Subject: r.text(child, "NameID"), Since: r.time(child, "DelegationInstant")})
	}
	return delegates
}

func (r *reader) statements(e *etree.Element, a *Assertion) {
	statement := r.one(e, "AuthnStatement")
	a.AuthnInstant = r.time(statement, "AuthnInstant")
	a.context = r.text(r.one(statement, "AuthnContext"), "AuthnContextClassRef")
	attributes, err := one(e, nsAssertion, "AttributeStatement")
	r.demand(err == nil, "%v", err)
	if attributes == nil {
		return
	}
	for _, attribute := range children(attributes, nsAssertion, "Attribute") {
		r.attribute(attribute, a)
	}
}

func (r *reader) attribute(e *etree.Element, a *Assertion) {
	var values []string
	for _, child := range children(e, nsAssertion, "AttributeValue") {
		value, err := text(child)
		r.demand(err == nil, "%v", err)
		values = append(values, value)
	}
	switch e.SelectAttrValue("Name", "") {
	case attributeGroups:
		for _, value := range values {
			domain, name, ok := strings.Cut(value, `\`)
			r.demand(ok && name != "" && domain != "", `%.128q is not domain\group`, value)
			a.Groups = append(a.Groups, Group{Name: name, Domain: domain})
		}
	case attributeGivenName:
		a.GivenName = strings.Join(values, " ")
	case attributeSurname:
		a.Surname = strings.Join(values, " ")
	case attributeSolution:
		a.Solution = len(values) == 1 && values[0] == "true"
	}
}

var errSubject = errors.New("the subject is not name@domain of plain text")

// validate that what goes into an assertion comes out of it again.
func (a Assertion) validate() error {
	if !plain(a.Subject) || !plain(a.Domain) || strings.Contains(a.Domain, "@") {
		return errSubject
	}
	for _, group := range a.Groups {
		if !plain(group.Name) || !plain(group.Domain) || strings.Contains(group.Domain, `\`) {
			return fmt.Errorf("group %.128q of %s cannot stand in an assertion", group.Name, a.Subject)
		}
	}
	return nil
}

// plain text has no blanks at its ends, no control characters, and is not empty.
func plain(s string) bool {
	return s != "" && len(s) <= 512 && strings.TrimSpace(s) == s && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd || r == 0xfffe || r == 0xffff }) < 0
}

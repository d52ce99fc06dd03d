package sts

import (
	"errors"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// kind of request.
type kind string

const (
	issue    kind = "Issue"
	renew    kind = "Renew"
	validate kind = "Validate"
)

// request is a RequestSecurityToken.
type request struct {
	kind        kind
	life        time.Duration // 0: none given
	renewable   bool
	delegatable bool
	holder      bool   // the token is to be bound to the key of the signature
	useKey      string // the signature that the key is to be taken from
	audience    []string
	// token is that of RenewTarget, ValidateTarget or ActAs.
	token *etree.Element
	actAs bool
}

// envelope is a request with what came along to prove who asks.
type envelope struct {
	body     *etree.Element
	security security
	request  request
}

func parseEnvelope(data []byte) (envelope, error) {
	root, err := parse(data)
	if err != nil {
		return envelope{}, &fault{codeBadRequest, err}
	}
	if !is(root, nsEnvelope, "Envelope") {
		return envelope{}, refused(codeBadRequest, "the request is no SOAP 1.1 envelope")
	}
	header, headerErr := one(root, nsEnvelope, "Header")
	body, bodyErr := one(root, nsEnvelope, "Body")
	if err := errors.Join(headerErr, bodyErr); err != nil || header == nil || body == nil {
		return envelope{}, refused(codeBadRequest, "the envelope has not one Header and one Body")
	}
	e := envelope{body: body}
	if e.security, err = parseSecurity(header); err != nil {
		return e, err
	}
	e.request, err = parseRequest(body)
	return e, err
}

// trustChild is a child of a namespace of WS-Trust, which clients write with and without a slash at the end.
func trustChild(e *etree.Element, tag string) (*etree.Element, error) {
	var found *etree.Element
	for _, c := range e.ChildElements() {
		space := strings.TrimSuffix(c.NamespaceURI(), "/")
		if c.Tag != tag || space != nsTrust && space != nsTrust14 {
			continue
		}
		if found != nil {
			return nil, refused(codeInvalidRequest, "the request has more than one %s", tag)
		}
		found = c
	}
	return found, nil
}

// fields reads children of a request and keeps the first error.
type fields struct {
	e   *etree.Element
	err error
}

func (f *fields) child(tag string) *etree.Element {
	c, err := trustChild(f.e, tag)
	if f.err == nil {
		f.err = err
	}
	return c
}

func (f *fields) text(tag string) string {
	c := f.child(tag)
	if c == nil {
		return ""
	}
	value, err := text(c)
	if err != nil && f.err == nil {
		f.err = refused(codeInvalidRequest, "%v", err)
	}
	return value
}

func (f *fields) truth(value, what string) bool {
	if value == "" {
		return false
	}
	b, err := strconv.ParseBool(value)
	if err != nil && f.err == nil {
		f.err = refused(codeInvalidRequest, "%s %.32q is neither true nor false", what, value)
	}
	return b
}

func parseRequest(body *etree.Element) (request, error) {
	elements := body.ChildElements()
	if len(elements) != 1 || elements[0].Tag != "RequestSecurityToken" {
		return request{}, refused(codeInvalidRequest, "the body is not one RequestSecurityToken")
	}
	f := &fields{e: elements[0]}
	if first, err := trustChild(body, "RequestSecurityToken"); err != nil || first == nil {
		return request{}, refused(codeInvalidRequest, "the RequestSecurityToken is not of WS-Trust 1.3")
	}
	r := request{kind: kind(path.Base(f.text("RequestType"))), delegatable: f.truth(f.text("Delegatable"), "Delegatable")}
	if tokenType := f.text("TokenType"); tokenType != "" && !strings.HasSuffix(tokenType, tokenTypeSAML2) {
		return r, refused(codeInvalidRequest, "tokens of type %.128q are not issued: %s is", tokenType, nsAssertion)
	}
	if renewing := f.child("Renewing"); renewing != nil {
		r.renewable = f.truth(renewing.SelectAttrValue("Allow", "true"), "Renewing/@Allow")
	}
	if key := f.child("UseKey"); key != nil {
		r.useKey = key.SelectAttrValue("Sig", "")
	}
	f.keyType(&r)
	f.lifetime(&r)
	f.audience(&r)
	f.target(&r)
	return r, f.err
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fields) keyType(r *request) {
	switch keyType := f.text("KeyType"); path.Base(keyType) {
	case "Bearer":
	case "PublicKey":
		r.holder = true
	case ".", "": // none: path.Base makes it a dot
		r.holder = r.useKey != ""
	default:
		f.fail(refused(codeInvalidRequest, "keys of type %.128q are not known: Bearer and PublicKey are", keyType))
	}
}

func (f *fields) lifetime(r *request) {
	lifetime := f.child("Lifetime")
	if lifetime == nil {
		return
	}
	created, createdErr := timeOf(lifetime, "Created")
	expires, expiresErr := timeOf(lifetime, "Expires")
	if createdErr != nil || expiresErr != nil {
		f.fail(refused(codeInvalidTimeRange, "the Lifetime has no Created and Expires"))
		return
	}
	if r.life = expires.Sub(created); r.life <= 0 {
		f.fail(refused(codeInvalidTimeRange, "the Lifetime ends before it begins"))
	}
}

func timeOf(e *etree.Element, tag string) (time.Time, error) {
	c, err := one(e, nsUtility, tag)
	if err != nil {
		return time.Time{}, err
	}
	if c == nil {
		return time.Time{}, errors.New("there is no " + tag)
	}
	value, err := text(c)
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, value)
}

// audience of AppliesTo/EndpointReference/Address, whatever version of WS-Addressing that is.
func (f *fields) audience(r *request) {
	for _, appliesTo := range f.e.ChildElements() {
		if appliesTo.Tag != "AppliesTo" {
			continue
		}
		for _, address := range everywhere(appliesTo, "Address") {
			value, err := text(address)
			if err != nil || !plain(value) {
				f.fail(refused(codeInvalidRequest, "the Address in AppliesTo is not text"))
				return
			}
			r.audience = append(r.audience, value)
		}
	}
	if len(r.audience) > 10 {
		f.fail(refused(codeInvalidRequest, "AppliesTo has more than 10 addresses"))
	}
}

// target is the token that the request is about.
func (f *fields) target(r *request) {
	wanted := map[kind]string{issue: "ActAs", renew: "RenewTarget", validate: "ValidateTarget"}[r.kind]
	if wanted == "" {
		f.fail(refused(codeInvalidRequest, "requests of type %.64q are not known: Issue, Renew and Validate are", r.kind))
		return
	}
	if f.child("OnBehalfOf") != nil {
		f.fail(refused(codeInvalidRequest, "OnBehalfOf is not supported: ActAs is"))
	}
	holder := f.child(wanted)
	if holder == nil {
		if r.kind != issue {
			f.fail(refused(codeInvalidRequest, "the request has no %s", wanted))
		}
		return
	}
	r.actAs = r.kind == issue
	inside := holder.ChildElements()
	if len(inside) != 1 || !is(inside[0], nsAssertion, "Assertion") {
		f.fail(refused(codeInvalidRequest, "%s does not hold one SAML 2.0 assertion", wanted))
		return
	}
	r.token = inside[0]
}

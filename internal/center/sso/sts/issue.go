package sts

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/beevik/etree"
	"github.com/google/uuid"
	dsig "github.com/russellhaering/goxmldsig"
)

// exclusive canonicalization, the only one that is written or accepted.
func exclusive() dsig.Canonicalizer { return dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("") }

// sign an assertion: it is what is said, with a new ID and the issuer's name.
func (k *Keyring) sign(issuer string, a Assertion) (Assertion, []byte, error) {
	if err := a.validate(); err != nil {
		return a, nil, err
	}
	a.ID, a.Issuer = "_"+uuid.NewString(), issuer
	e := a.element()
	key, cert := k.current()
	context, err := dsig.NewSigningContext(key, [][]byte{cert.Raw})
	if err != nil {
		return a, nil, err
	}
	context.Canonicalizer = exclusive()
	signature, err := context.ConstructSignature(e, true)
	if err != nil {
		return a, nil, fmt.Errorf("sign an assertion of %s: %w", a.Subject, err)
	}
	e.InsertChildAt(1, signature) // after the issuer, as the schema wants it
	doc := etree.NewDocument()
	doc.WriteSettings = etree.WriteSettings{CanonicalEndTags: true, CanonicalText: true, CanonicalAttrVal: true}
	doc.SetRoot(e)
	data, err := doc.WriteToBytes()
	return a, data, err
}

func format(t time.Time) string { return t.UTC().Format(timeFormat) }

// element of the assertion. Names, prefixes and order are the original's: its clients compute a signature over a renewed or
// delegated assertion from what they expect to find, not from what is there.
func (a Assertion) element() *etree.Element {
	e := etree.NewElement("saml2:Assertion")
	attributes(e, "xmlns:saml2", nsAssertion, "xmlns:xs", nsSchema, "xmlns:xsi", nsInstance,
		"ID", a.ID, "IssueInstant", format(a.IssueInstant), "Version", "2.0")
	child(e, "saml2:Issuer", "Format", formatEntity).SetText(a.Issuer)
	a.addSubject(e)
	a.addConditions(e)
	statement := child(e, "saml2:AuthnStatement", "AuthnInstant", format(a.AuthnInstant))
	child(child(statement, "saml2:AuthnContext"), "saml2:AuthnContextClassRef").SetText(a.context)
	a.addAttributes(child(e, "saml2:AttributeStatement"))
	return e
}

func (a Assertion) addSubject(e *etree.Element) {
	subject := child(e, "saml2:Subject")
	child(subject, "saml2:NameID", "Format", formatUPN).SetText(a.Subject + "@" + a.Domain)
	if a.Holder == nil {
		confirmation := child(subject, "saml2:SubjectConfirmation", "Method", methodBearer)
		child(confirmation, "saml2:SubjectConfirmationData", "NotOnOrAfter", format(a.NotOnOrAfter))
		return
	}
	confirmation := child(subject, "saml2:SubjectConfirmation", "Method", methodHolderOfKey)
	data := child(confirmation, "saml2:SubjectConfirmationData", "xsi:type", typeHolderOfKey)
	info := child(data, "ds:KeyInfo", "xmlns:ds", nsSignature)
	child(child(info, "ds:X509Data"), "ds:X509Certificate").SetText(base64.StdEncoding.EncodeToString(a.Holder.Raw))
}

func (a Assertion) addConditions(e *etree.Element) {
	conditions := child(e, "saml2:Conditions", "NotBefore", format(a.NotBefore), "NotOnOrAfter", format(a.NotOnOrAfter))
	child(conditions, "saml2:ProxyRestriction", "Count", strconv.Itoa(a.Delegations))
	if len(a.Audience) > 0 {
		restriction := child(conditions, "saml2:AudienceRestriction")
		for _, audience := range a.Audience {
			child(restriction, "saml2:Audience").SetText(audience)
		}
	}
	if a.Renewals > 0 {
		child(conditions, "saml2:Condition", "xmlns:rsa", nsRenew, "Count", strconv.Itoa(a.Renewals), "xsi:type", typeRenewal)
	}
	if len(a.Delegates) > 0 {
		restriction := child(conditions, "saml2:Condition", "xmlns:del", nsDelegate, "xsi:type", typeDelegation)
		for _, delegate := range a.Delegates {
			d := child(restriction, "del:Delegate", "DelegationInstant", format(delegate.Since))
			child(d, "saml2:NameID", "Format", formatUPN).SetText(delegate.Subject)
		}
	}
}

func (a Assertion) addAttributes(e *etree.Element) {
	var groups []string
	for _, group := range a.Groups {
		groups = append(groups, group.Domain+`\`+group.Name)
	}
	for _, attribute := range []struct {
		friendly, name string
		values         []string
	}{
		{"Groups", attributeGroups, groups},
		{"givenName", attributeGivenName, []string{a.GivenName}},
		{"surname", attributeSurname, []string{a.Surname}},
		{"Subject Type", attributeSolution, []string{strconv.FormatBool(a.Solution)}},
	} {
		if len(attribute.values) == 0 || attribute.values[0] == "" {
			continue
		}
		parent := child(e, "saml2:Attribute", "FriendlyName", attribute.friendly, "Name", attribute.name, "NameFormat", formatURI)
		for _, value := range attribute.values {
			child(parent, "saml2:AttributeValue", "xsi:type", "xs:string").SetText(value)
		}
	}
}

func child(parent *etree.Element, tag string, pairs ...string) *etree.Element {
	e := parent.CreateElement(tag)
	attributes(e, pairs...)
	return e
}

func attributes(e *etree.Element, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		e.CreateAttr(pairs[i], pairs[i+1])
	}
}

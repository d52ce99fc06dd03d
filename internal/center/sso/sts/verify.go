package sts

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// Verifier verifies assertions of one issuer.
type Verifier struct {
	// Issuer is the name that has to stand in them.
	Issuer string
	// Trusted are the certificates that sign at a time.
	Trusted func(now time.Time) []*x509.Certificate
	// Audience is who verifies. An assertion that is for others only is refused; one for nobody in particular is taken.
	Audience []string
}

// clockSkew by which an assertion may seem to be from the future: that of hosts whose clocks are kept.
const clockSkew = 30 * time.Second

// Verify an assertion. What comes back was read from the bytes that the issuer has signed. A caller who gets one with a
// Holder has to see that whoever shows it has that key.
func (v Verifier) Verify(assertion []byte, now time.Time) (Assertion, error) {
	root, err := parse(assertion)
	if err != nil {
		return Assertion{}, refuse(err)
	}
	return v.verify(root, now)
}

func refuse(err error) error { return fmt.Errorf("the assertion is refused: %w", err) }

// verify an assertion that is part of a document.
func (v Verifier) verify(e *etree.Element, now time.Time) (Assertion, error) {
	detached, err := detach(e)
	if err != nil {
		return Assertion{}, refuse(err)
	}
	if err := checkShape(detached); err != nil {
		return Assertion{}, refuse(err)
	}
	signed, err := v.signedPart(detached, now)
	if err != nil {
		return Assertion{}, refuse(err)
	}
	a, err := read(signed)
	if err != nil {
		return Assertion{}, refuse(err)
	}
	if err := v.check(a, now); err != nil {
		return Assertion{}, refuse(err)
	}
	return a, nil
}

// detach an element from its document, with the namespaces that are in force there.
func detach(e *etree.Element) (*etree.Element, error) {
	context, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		return nil, err
	}
	return etreeutils.NSDetatch(context, e)
}

// signedPart is the element made of the bytes that are signed.
func (v Verifier) signedPart(e *etree.Element, now time.Time) (*etree.Element, error) {
	context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: v.Trusted(now)})
	context.IdAttribute = "ID"
	context.Clock = dsig.NewFakeClockAt(now)
	signed, err := context.Validate(e)
	if err != nil {
		return nil, fmt.Errorf("its signature: %w", err)
	}
	if !is(signed, nsAssertion, "Assertion") || len(signed.FindElements(".//Signature")) > 0 {
		return nil, errors.New("what is signed is no assertion")
	}
	return signed, nil
}

// Transforms and algorithms that a signature of ours has. All others are refused, whatever the library could do.
var (
	wantedTransforms = []string{dsig.EnvelopedSignatureAltorithmId.String(), dsig.CanonicalXML10ExclusiveAlgorithmId.String()}
	wantedSignatures = []string{dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod}
	wantedDigests    = []string{"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmlenc#sha512"}
)

// checkShape of a signed assertion, so that nothing is left to how the library looks for signatures: it has one signature,
// which is its own child and refers to nothing but the assertion.
func checkShape(e *etree.Element) error {
	if !is(e, nsAssertion, "Assertion") {
		return errors.New("it is no assertion of SAML 2.0")
	}
	signatures := everywhere(e, "Signature")
	if len(signatures) == 0 {
		return errors.New("it is not signed")
	}
	if len(signatures) > 1 || signatures[0].Parent() != e || !is(signatures[0], nsSignature, "Signature") || len(everywhere(e, "Assertion")) > 0 {
		return errors.New("it has another signature or assertion in it")
	}
	id := e.SelectAttrValue("ID", "")
	if id == "" {
		return errors.New("it has no ID")
	}
	info, err := one(signatures[0], nsSignature, "SignedInfo")
	if err != nil || info == nil || len(everywhere(e, "SignedInfo")) != 1 {
		return errors.New("its signature has not one SignedInfo")
	}
	references := children(info, nsSignature, "Reference")
	if len(references) != 1 || len(everywhere(e, "Reference")) != 1 || references[0].SelectAttrValue("URI", "") != "#"+id {
		return errors.New("its signature refers to something else than this assertion")
	}
	return checkAlgorithms(info, references[0])
}

func checkAlgorithms(info, reference *etree.Element) error {
	canonicalization, _ := one(info, nsSignature, "CanonicalizationMethod")
	method, _ := one(info, nsSignature, "SignatureMethod")
	transforms, _ := one(reference, nsSignature, "Transforms")
	digest, _ := one(reference, nsSignature, "DigestMethod")
	if canonicalization == nil || method == nil || transforms == nil || digest == nil {
		return errors.New("its signature lacks a method")
	}
	var got []string
	for _, transform := range transforms.ChildElements() {
		got = append(got, transform.SelectAttrValue("Algorithm", ""))
	}
	algorithm := func(e *etree.Element) string { return e.SelectAttrValue("Algorithm", "") }
	if !slices.Equal(got, wantedTransforms) || algorithm(canonicalization) != wantedTransforms[1] ||
		!slices.Contains(wantedSignatures, algorithm(method)) || !slices.Contains(wantedDigests, algorithm(digest)) {
		return errors.New("its signature uses a method that is not accepted")
	}
	return nil
}

// everywhere below an element, in whatever namespace.
func everywhere(e *etree.Element, tag string) []*etree.Element {
	var found []*etree.Element
	for _, c := range e.ChildElements() {
		if c.Tag == tag {
			found = append(found, c)
		}
		found = append(found, everywhere(c, tag)...)
	}
	return found
}

func (v Verifier) check(a Assertion, now time.Time) error {
	switch {
	case a.Issuer != v.Issuer:
		return fmt.Errorf("its issuer %.128q is not %s", a.Issuer, v.Issuer)
	case now.Add(clockSkew).Before(a.NotBefore):
		return fmt.Errorf("it is valid from %s on", format(a.NotBefore))
	case !now.Before(a.NotOnOrAfter):
		return fmt.Errorf("it ended at %s", format(a.NotOnOrAfter))
	case len(a.Audience) > 0 && !slices.ContainsFunc(a.Audience, func(s string) bool { return slices.Contains(v.Audience, s) }):
		return fmt.Errorf("it is for %s", strings.Join(a.Audience, ", "))
	}
	return a.validate()
}

// decodeCertificate of base64, which may be broken into lines.
func decodeCertificate(value string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
	if err != nil {
		return nil, fmt.Errorf("the certificate is not base64: %w", err)
	}
	return x509.ParseCertificate(der)
}

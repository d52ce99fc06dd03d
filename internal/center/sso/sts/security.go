package sts

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// security is the WS-Security header: how a request proves who asks.
type security struct {
	element          *etree.Element
	timestamp        *etree.Element
	created, expires time.Time
	username         string
	password         string
	hasUser          bool
	certificate      *etree.Element // BinarySecurityToken
	assertion        *etree.Element
	signature        *etree.Element
}

func parseSecurity(header *etree.Element) (security, error) {
	e, err := one(header, nsSecurity, "Security")
	if err != nil || e == nil {
		return security{}, refused(codeFailedAuthentication, "the request has not one Security header")
	}
	s := security{element: e}
	var user *etree.Element
	for _, part := range []struct {
		into       **etree.Element
		space, tag string
	}{
		{&s.timestamp, nsUtility, "Timestamp"}, {&user, nsSecurity, "UsernameToken"}, {&s.certificate, nsSecurity, "BinarySecurityToken"},
		{&s.assertion, nsAssertion, "Assertion"}, {&s.signature, nsSignature, "Signature"},
	} {
		if *part.into, err = one(e, part.space, part.tag); err != nil {
			return s, refused(codeBadRequest, "%v", err)
		}
	}
	if s.timestamp != nil {
		var createdErr, expiresErr error
		s.created, createdErr = timeOf(s.timestamp, "Created")
		s.expires, expiresErr = timeOf(s.timestamp, "Expires")
		if createdErr != nil || expiresErr != nil {
			return s, refused(codeInvalidTimeRange, "the Timestamp has no Created and Expires")
		}
	}
	return s, s.readUser(user)
}

func (s *security) readUser(e *etree.Element) error {
	if e == nil {
		return nil
	}
	name, nameErr := one(e, nsSecurity, "Username")
	password, passwordErr := one(e, nsSecurity, "Password")
	if nameErr != nil || passwordErr != nil || name == nil || password == nil || len(name.ChildElements())+len(password.ChildElements()) > 0 {
		return refused(codeBadRequest, "the UsernameToken has not one Username and one Password")
	}
	if kind := password.SelectAttrValue("Type", ""); kind != "" && !strings.HasSuffix(kind, "#PasswordText") {
		return refused(codeInvalidRequest, "the password must be of type PasswordText: no other can be checked against a hash")
	}
	s.username, s.password, s.hasUser = strings.TrimSpace(name.Text()), password.Text(), true
	return nil
}

// maxSkew by which a client's clock may be wrong, as the original has it.
const maxSkew = 10 * time.Minute

// checkTime refuses a request that was made long ago or is to be made yet.
func (s *security) checkTime(now time.Time) error {
	if s.timestamp == nil {
		return refused(codeInvalidRequest, "the Security header has no Timestamp")
	}
	if now.After(s.expires.Add(maxSkew)) || now.Add(maxSkew).Before(s.created) || s.expires.Before(s.created) {
		return refused(codeExpiredData, "the request is of %s to %s, and here it is %s: set the clock", format(s.created), format(s.expires), format(now))
	}
	return nil
}

// signer is the certificate that a request is signed by.
type signer struct {
	certificate *x509.Certificate
	// assertion is set when the certificate is that of the assertion's holder.
	assertion *Assertion
	id        string // of the signature
	value     []byte
}

// verifySignature over the body and the timestamp; nil if there is none. The key comes from the header's certificate, or from
// the header's assertion, which verify verifies.
func (s *security) verifySignature(body *etree.Element, verify func(*etree.Element) (Assertion, error)) (*signer, error) {
	if s.signature == nil {
		return nil, nil
	}
	by, err := s.keyOf(verify)
	if err != nil {
		return nil, err
	}
	by.id = s.signature.SelectAttrValue("Id", "")
	info, err := one(s.signature, nsSignature, "SignedInfo")
	if err != nil || info == nil {
		return nil, refused(codeInvalidSecurityToken, "the signature has not one SignedInfo")
	}
	if by.value, err = s.checkSignedInfo(info, by.certificate); err != nil {
		return nil, refused(codeInvalidSecurityToken, "the signature: %v", err)
	}
	if err := s.checkReferences(info, body); err != nil {
		return nil, refused(codeInvalidSecurityToken, "the signature: %v", err)
	}
	return by, nil
}

// keyOf the signature, by the reference in its KeyInfo.
func (s *security) keyOf(verify func(*etree.Element) (Assertion, error)) (*signer, error) {
	info, _ := one(s.signature, nsSignature, "KeyInfo")
	if info == nil {
		return nil, refused(codeInvalidSecurityToken, "the signature does not say by which key it is")
	}
	reference, _ := one(info, nsSecurity, "SecurityTokenReference")
	if reference == nil {
		return nil, refused(codeInvalidSecurityToken, "the signature does not refer to a security token")
	}
	if direct, _ := one(reference, nsSecurity, "Reference"); direct != nil {
		return s.certificateKey(direct.SelectAttrValue("URI", ""))
	}
	identifier, _ := one(reference, nsSecurity, "KeyIdentifier")
	if identifier == nil || s.assertion == nil {
		return nil, refused(codeInvalidSecurityToken, "the security token that the signature refers to is not there")
	}
	id, err := text(identifier)
	if err != nil || id != s.assertion.SelectAttrValue("ID", "") || id == "" {
		return nil, refused(codeInvalidSecurityToken, "the signature refers to another assertion than the header's")
	}
	a, err := verify(s.assertion)
	if err != nil {
		return nil, &fault{codeInvalidSecurityToken, err}
	}
	if a.Holder == nil {
		return nil, refused(codeInvalidSecurityToken, "a bearer's assertion has no key to sign by")
	}
	return &signer{certificate: a.Holder, assertion: &a}, nil
}

func (s *security) certificateKey(uri string) (*signer, error) {
	if s.certificate == nil || uri == "" || uri != "#"+wsuID(s.certificate) {
		return nil, refused(codeInvalidSecurityToken, "the certificate that the signature refers to is not there")
	}
	value, err := text(s.certificate)
	if err != nil {
		return nil, refused(codeInvalidSecurityToken, "%v", err)
	}
	cert, err := decodeCertificate(value)
	if err != nil {
		return nil, refused(codeInvalidSecurityToken, "the certificate: %v", err)
	}
	return &signer{certificate: cert}, nil
}

// wsuID is the attribute Id of namespace wsu.
func wsuID(e *etree.Element) string {
	for _, attr := range e.Attr {
		if attr.Key == "Id" && attr.NamespaceURI() == nsUtility {
			return attr.Value
		}
	}
	return ""
}

var requestAlgorithms = map[string]x509.SignatureAlgorithm{
	dsig.RSASHA256SignatureMethod:   x509.SHA256WithRSA,
	dsig.RSASHA384SignatureMethod:   x509.SHA384WithRSA,
	dsig.RSASHA512SignatureMethod:   x509.SHA512WithRSA,
	dsig.ECDSASHA256SignatureMethod: x509.ECDSAWithSHA256,
	dsig.ECDSASHA384SignatureMethod: x509.ECDSAWithSHA384,
	dsig.ECDSASHA512SignatureMethod: x509.ECDSAWithSHA512,
}

// checkSignedInfo is signed by the certificate's key; it returns the signature's value.
func (s *security) checkSignedInfo(info *etree.Element, cert *x509.Certificate) ([]byte, error) {
	canonicalization, _ := one(info, nsSignature, "CanonicalizationMethod")
	method, _ := one(info, nsSignature, "SignatureMethod")
	valueElement, _ := one(s.signature, nsSignature, "SignatureValue")
	if canonicalization == nil || method == nil || valueElement == nil {
		return nil, errors.New("it lacks a method or its value")
	}
	if canonicalization.SelectAttrValue("Algorithm", "") != dsig.CanonicalXML10ExclusiveAlgorithmId.String() {
		return nil, errors.New("it is not made over exclusive canonical XML")
	}
	algorithm, ok := requestAlgorithms[method.SelectAttrValue("Algorithm", "")]
	if !ok {
		return nil, errors.New("its method is not accepted: rsa-sha256 is")
	}
	encoded, err := text(valueElement)
	if err != nil {
		return nil, err
	}
	value, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return nil, errors.New("its value is not base64")
	}
	data, err := canonical(info)
	if err != nil {
		return nil, err
	}
	return value, cert.CheckSignature(algorithm, data, value)
}

// canonical bytes of an element of a document.
func canonical(e *etree.Element) ([]byte, error) {
	detached, err := detach(e)
	if err != nil {
		return nil, err
	}
	return exclusive().Canonicalize(detached)
}

// checkReferences covers the body and the timestamp that are used, by their IDs, and nothing that is elsewhere.
func (s *security) checkReferences(info, body *etree.Element) error {
	if s.timestamp == nil {
		return errors.New("there is no Timestamp")
	}
	wanted := map[string]*etree.Element{"#" + wsuID(body): body, "#" + wsuID(s.timestamp): s.timestamp}
	if wsuID(body) == "" || wsuID(s.timestamp) == "" || len(wanted) != 2 {
		return errors.New("the Body or the Timestamp has no Id")
	}
	for _, reference := range children(info, nsSignature, "Reference") {
		uri := reference.SelectAttrValue("URI", "")
		target := wanted[uri]
		if target == nil {
			return fmt.Errorf("it refers to %.64q, which is neither the Body nor the Timestamp", uri)
		}
		if err := checkReference(reference, target); err != nil {
			return fmt.Errorf("%s: %w", target.Tag, err)
		}
		delete(wanted, uri)
	}
	if len(wanted) > 0 {
		return errors.New("it does not cover both the Body and the Timestamp")
	}
	return nil
}

func checkReference(reference, target *etree.Element) error {
	transforms, _ := one(reference, nsSignature, "Transforms")
	method, _ := one(reference, nsSignature, "DigestMethod")
	valueElement, _ := one(reference, nsSignature, "DigestValue")
	if transforms == nil || method == nil || valueElement == nil {
		return errors.New("the reference lacks a method or its digest")
	}
	steps := transforms.ChildElements()
	if len(steps) != 1 || steps[0].SelectAttrValue("Algorithm", "") != dsig.CanonicalXML10ExclusiveAlgorithmId.String() {
		return errors.New("the transform is not exclusive canonical XML")
	}
	encoded, err := text(valueElement)
	if err != nil {
		return err
	}
	want, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return errors.New("the digest is not base64")
	}
	data, err := canonical(target)
	if err != nil {
		return err
	}
	var got []byte
	switch method.SelectAttrValue("Algorithm", "") {
	case wantedDigests[0]:
		sum := sha256.Sum256(data)
		got = sum[:]
	case wantedDigests[1]:
		sum := sha512.Sum512(data)
		got = sum[:]
	default:
		return errors.New("the method of the digest is not accepted: sha256 is")
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return errors.New("the digest is of something else")
	}
	return nil
}

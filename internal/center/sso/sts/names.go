// Package sts issues and verifies SAML 2.0 assertions, and is the security token service that speaks WS-Trust about them.
//
// An assertion is a bearer's, or bound to the key of its holder. Whoever verifies one gets an [Assertion], which was read from
// the bytes that are signed and from no others.
package sts

// Namespaces and identifiers of the specifications.
const (
	nsEnvelope  = "http://schemas.xmlsoap.org/soap/envelope/"
	nsSecurity  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsUtility   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	nsTrust     = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	nsTrust14   = "http://docs.oasis-open.org/ws-sx/ws-trust/200802"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsSchema    = "http://www.w3.org/2001/XMLSchema"
	nsInstance  = "http://www.w3.org/2001/XMLSchema-instance"
	nsDelegate  = "urn:oasis:names:tc:SAML:2.0:conditions:delegation"
	nsRenew     = "http://www.rsa.com/names/2009/12/std-ext/SAML2.0"

	methodBearer      = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	methodHolderOfKey = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"

	formatUPN    = "http://schemas.xmlsoap.org/claims/UPN"
	formatEntity = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
	formatURI    = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"

	attributeGroups    = "http://rsa.com/schemas/attr-names/2009/01/GroupIdentity"
	attributeGivenName = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname"
	attributeSurname   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname"
	attributeSolution  = "http://vmware.com/schemas/attr-names/2011/07/isSolution"

	contextPassword = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
	contextX509     = "urn:oasis:names:tc:SAML:2.0:ac:classes:X509"
	contextPrevious = "urn:oasis:names:tc:SAML:2.0:ac:classes:PreviousSession"

	tokenTypeSAML2 = "oasis:names:tc:SAML:2.0:assertion" // the original's clients leave out the "urn:"

	typeDelegation  = "del:DelegationRestrictionType"
	typeRenewal     = "rsa:RenewRestrictionType"
	typeHolderOfKey = "saml2:KeyInfoConfirmationDataType"
)

// timeFormat is that of all times in assertions and requests, which are in UTC.
const timeFormat = "2006-01-02T15:04:05.000Z"

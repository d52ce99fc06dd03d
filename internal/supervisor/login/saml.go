package login

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Names of WS-Trust 1.3 and WS-Security 1.0.
const (
	trust          = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	issueAction    = trust + "/RST/Issue"
	assertionType  = "oasis:names:tc:SAML:2.0:assertion"
	envelopeSpace  = "http://schemas.xmlsoap.org/soap/envelope/"
	securitySpace  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	utilitySpace   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	trustTime      = "2006-01-02T15:04:05.000Z"
	rsaSHA256      = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	assertionLife  = 2 * time.Minute // it is exchanged at once
	maxTrustAnswer = 1 << 20
)

// issueRequest is the request for a bearer assertion by a user's name and password.
func issueRequest(user, password string, now time.Time) []byte {
	created, expires := now.UTC().Format(trustTime), now.UTC().Add(assertionLife).Format(trustTime)
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="%s"><soapenv:Header>`, envelopeSpace)
	fmt.Fprintf(&b, `<wsse:Security xmlns:wsse="%s" xmlns:wsu="%s">`, securitySpace, utilitySpace)
	fmt.Fprintf(&b, `<wsu:Timestamp wsu:Id="timestamp"><wsu:Created>%s</wsu:Created><wsu:Expires>%s</wsu:Expires></wsu:Timestamp>`, created, expires)
	fmt.Fprintf(&b, `<wsse:UsernameToken><wsse:Username>%s</wsse:Username><wsse:Password>%s</wsse:Password></wsse:UsernameToken>`, escape(user), escape(password))
	fmt.Fprintf(&b, `</wsse:Security></soapenv:Header><soapenv:Body><RequestSecurityToken xmlns="%s/">`, trust)
	fmt.Fprintf(&b, `<TokenType>%s</TokenType><RequestType>%s/Issue</RequestType>`, assertionType, trust)
	fmt.Fprintf(&b, `<Lifetime><wsu:Created xmlns:wsu="%s">%s</wsu:Created><wsu:Expires xmlns:wsu="%s">%s</wsu:Expires></Lifetime>`, utilitySpace, created, utilitySpace, expires)
	fmt.Fprintf(&b, `<Renewing Allow="false" OK="false"></Renewing><Delegatable>false</Delegatable><KeyType>%s/Bearer</KeyType>`, trust)
	fmt.Fprintf(&b, `<SignatureAlgorithm>%s</SignatureAlgorithm></RequestSecurityToken></soapenv:Body></soapenv:Envelope>`, rsaSHA256)
	return []byte(b.String())
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}

// fault is what the token service refuses with.
type fault struct{ Code, Text string }

func (f *fault) Error() string { return "security token service: " + f.Text }

// refusedLogin tells whether the user or the password is wrong, or he may not sign in now: WS-Trust's FailedAuthentication,
// WS-Security's.
func (f *fault) refusedLogin() bool { return strings.HasSuffix(f.Code, "FailedAuthentication") }

// readAssertion takes the assertion out of the answer, byte by byte as it was signed.
func readAssertion(body []byte) ([]byte, error) {
	var envelope struct {
		Body struct {
			Fault *struct {
				Code string `xml:"faultcode"`
				Text string `xml:"faultstring"`
			} `xml:"Fault"`
			Collection struct {
				Response tokenResponse `xml:"RequestSecurityTokenResponse"`
			} `xml:"RequestSecurityTokenResponseCollection"`
			Response tokenResponse `xml:"RequestSecurityTokenResponse"`
		} `xml:"Body"`
	}
	if err := xml.Unmarshal(body, &envelope); err != nil {
		return nil, fmt.Errorf("answer of the security token service: %w", err)
	}
	if f := envelope.Body.Fault; f != nil {
		return nil, &fault{Code: strings.TrimSpace(f.Code), Text: strings.TrimSpace(f.Text)}
	}
	for _, response := range []tokenResponse{envelope.Body.Collection.Response, envelope.Body.Response} {
		if assertion := strings.TrimSpace(response.Requested.Assertion); assertion != "" {
			return []byte(assertion), nil
		}
	}
	return nil, errors.New("the answer of the security token service holds no assertion")
}

type tokenResponse struct {
	Requested struct {
		Assertion string `xml:",innerxml"`
	} `xml:"RequestedSecurityToken"`
}

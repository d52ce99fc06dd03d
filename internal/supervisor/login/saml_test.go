package login

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"
)

const signed = `<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="_1"><saml2:Issuer>center</saml2:Issuer> <!-- kept --></saml2:Assertion>`

func answerWith(inner string) string {
	return `<?xml version="1.0"?><S:Envelope xmlns:S="` + envelopeSpace + `"><S:Body>` + inner + `</S:Body></S:Envelope>`
}

func TestReadAssertion(t *testing.T) {
	response := `<t:RequestSecurityTokenResponse xmlns:t="` + trust + `"><t:RequestedSecurityToken>` + signed + `</t:RequestedSecurityToken></t:RequestSecurityTokenResponse>`
	for name, body := range map[string]string{
		"WS-Trust 1.3, a collection": answerWith(`<t:RequestSecurityTokenResponseCollection xmlns:t="` + trust + `">` + response + `</t:RequestSecurityTokenResponseCollection>`),
		"one response":               answerWith(response),
	} {
		got, err := readAssertion([]byte(body))
		if err != nil || string(got) != signed {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

func TestReadRefusals(t *testing.T) {
	faultOf := func(code string) string {
		return answerWith(`<S:Fault><faultcode xmlns:f="` + trust + `">` + code + `</faultcode><faultstring>no</faultstring></S:Fault>`)
	}
	for name, tc := range map[string]struct {
		body    string
		refused bool
	}{
		"wrong password":    {faultOf("f:FailedAuthentication"), true},
		"another fault":     {faultOf("f:InvalidRequest"), false},
		"no assertion":      {answerWith(""), false},
		"not XML":           {"Bad Gateway", false},
		"nothing":           {"", false},
		"an empty response": {answerWith(`<RequestSecurityTokenResponse/>`), false},
	} {
		_, err := readAssertion([]byte(tc.body))
		f, ok := err.(*fault)
		if err == nil || (ok && f.refusedLogin()) != tc.refused {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A user's name and password are data, whatever they hold.
func TestIssueRequestEscapes(t *testing.T) {
	const user, password = `a<b>&"c"@d`, `</wsse:Password><x/>&amp;'"]]>`
	body := issueRequest(user, password, time.Unix(1900000000, 0))
	var envelope struct {
		Header struct {
			Security struct {
				UsernameToken struct{ Username, Password string }
			}
		}
	}
	if err := xml.Unmarshal(body, &envelope); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if got := envelope.Header.Security.UsernameToken; got.Username != user || got.Password != password {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(string(body), "2030-03-17T17:46:40.000Z") {
		t.Errorf("no time in %s", body)
	}
}

func FuzzReadAssertion(f *testing.F) {
	f.Add([]byte(answerWith(signed)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := readAssertion(body); err == nil && len(got) == 0 {
			t.Error("neither an assertion nor an error")
		}
	})
}

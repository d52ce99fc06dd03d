package sts

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi/sts"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

// recorded is the body of the request that govmomi makes.
func (f *fixture) recorded(do func(*sts.Client)) string {
	f.t.Helper()
	var body []byte
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		if strings.HasPrefix(r.URL.Path, Path) {
			body = data
		}
		r.Body = io.NopCloser(bytes.NewReader(data))
		http.NotFound(w, r)
	}))
	defer server.Close()
	u, err := url.Parse(server.URL + "/sdk")
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := sts.NewClient(f.t.Context(), &vim25.Client{Client: soap.NewClient(u, true)})
	if err != nil {
		f.t.Fatal(err)
	}
	do(c)
	if len(body) == 0 {
		f.t.Fatal("govmomi made no request")
	}
	return string(body)
}

func (f *fixture) recordedIssue(r sts.TokenRequest) string {
	return f.recorded(func(c *sts.Client) { _, _ = c.Issue(f.t.Context(), r) })
}

func (f *fixture) recordedRenew(r sts.TokenRequest) string {
	return f.recorded(func(c *sts.Client) { _, _ = c.Renew(f.t.Context(), r) })
}

// post a request as it is.
func (f *fixture) post(body string) (int, string) {
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body)))
	return recorder.Code, recorder.Body.String()
}

func TestRefusedRequests(t *testing.T) {
	f := newFixture(t)
	bearer := f.recordedIssue(sts.TokenRequest{Userinfo: user})
	holder := f.recordedIssue(sts.TokenRequest{Userinfo: user, Certificate: f.program})
	program := f.recordedIssue(sts.TokenRequest{Certificate: f.program})
	stranger := selfSigned(t, "stranger")
	renewable := f.assertion(Options{Renewable: true, Life: time.Hour})
	bound := f.assertion(Options{Renewable: true, Life: time.Hour, Holder: parsed(t, f.program.Certificate[0])})
	delegatable := f.assertion(Options{Delegatable: true, Life: time.Hour})
	replace := func(body string, pairs ...string) string {
		t.Helper()
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(body, pairs[i]) {
				t.Fatalf("%q is not in %s", pairs[i], body)
			}
		}
		return strings.NewReplacer(pairs...).Replace(body)
	}
	between := func(body, from, to string) string {
		t.Helper()
		_, rest, ok := strings.Cut(body, from)
		inside, _, ok2 := strings.Cut(rest, to)
		if !ok || !ok2 {
			t.Fatalf("no %s…%s in %s", from, to, body)
		}
		return from + inside + to
	}
	bodyOf := func(envelope string) string { return between(envelope, "<soap:Body", "</soap:Body>") }
	for name, test := range map[string]struct{ request, code string }{
		"no XML":                 {"hello", codeBadRequest},
		"no envelope":            {"<a/>", codeBadRequest},
		"oversize":               {strings.Repeat(" ", maxDocument+1) + bearer, codeBadRequest},
		"a comment":              {replace(bearer, "dev@", "dev<!-- -->@"), codeBadRequest},
		"a document type":        {"<!DOCTYPE a>" + bearer, codeBadRequest},
		"no body":                {`<E:Envelope xmlns:E="` + nsEnvelope + `"><E:Header/></E:Envelope>`, codeBadRequest},
		"no security":            {`<E:Envelope xmlns:E="` + nsEnvelope + `"><E:Header/><E:Body/></E:Envelope>`, codeFailedAuthentication},
		"wrong password":         {replace(bearer, "right", "wrong"), codeFailedAuthentication},
		"nobody":                 {replace(bearer, between(bearer, "<wsse:UsernameToken>", "</wsse:UsernameToken>"), ""), codeFailedAuthentication},
		"two passwords":          {replace(bearer, "</wsse:Password>", "</wsse:Password><wsse:Password>x</wsse:Password>"), codeBadRequest},
		"a digest of a password": {replace(bearer, "<wsse:Password>", `<wsse:Password Type="x#PasswordDigest">`), codeInvalidRequest},
		"no time":                {replace(bearer, between(bearer, "<wsu:Timestamp", "</wsu:Timestamp>"), ""), codeInvalidRequest},
		"an unknown request":     {replace(bearer, "/Issue", "/Cancel"), codeInvalidRequest},
		"another token":          {replace(bearer, tokenTypeSAML2, "oasis:names:tc:SAML:1.0:assertion"), codeInvalidRequest},
		"a symmetric key":        {replace(bearer, "200512/Bearer", "200512/SymmetricKey"), codeInvalidRequest},
		"a key but no proof":     {replace(bearer, "200512/Bearer", "200512/PublicKey"), codeInvalidRequest},
		"no life":                {replace(bearer, between(bearer, "<Expires", "</Expires>"), ""), codeInvalidTimeRange},
		"on behalf of":           {replace(bearer, "</KeyType>", "</KeyType><OnBehalfOf/>"), codeInvalidRequest},

		"an unknown program":      {f.recordedIssue(sts.TokenRequest{Certificate: stranger}), codeFailedAuthentication},
		"changed after signing":   {replace(holder, "<Delegatable>false", "<Delegatable>true"), codeInvalidSecurityToken},
		"another time":            {replace(holder, "<wsu:Created>2", "<wsu:Created>1"), codeInvalidSecurityToken},
		"another certificate":     {replace(program, between(program, "<wsse:BinarySecurityToken", "</wsse:BinarySecurityToken>"), between(f.recordedIssue(sts.TokenRequest{Certificate: stranger}), "<wsse:BinarySecurityToken", "</wsse:BinarySecurityToken>")), codeInvalidSecurityToken},
		"no certificate":          {replace(program, between(program, "<wsse:BinarySecurityToken", "</wsse:BinarySecurityToken>"), ""), codeInvalidSecurityToken},
		"no algorithm":            {replace(program, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"", "\""), codeInvalidSecurityToken},
		"HMAC":                    {replace(program, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"", "http://www.w3.org/2000/09/xmldsig#hmac-sha1\""), codeInvalidSecurityToken},
		"another key than UseKey": {replace(program, "<ds:Signature xmlns:ds=\""+nsSignature+"\" Id=\"_", "<ds:Signature xmlns:ds=\""+nsSignature+"\" Id=\"_x"), codeInvalidRequest},
		"the signed body wrapped": {replace(program, bodyOf(program), "<Wrapper>"+bodyOf(program)+"</Wrapper>"+
			replace(bodyOf(program), `wsu:Id="_`, `wsu:Id="_evil`, "<Delegatable>false", "<Delegatable>true")), codeInvalidSecurityToken},
		"a second body":     {replace(program, bodyOf(program), bodyOf(program)+replace(bodyOf(program), `wsu:Id="_`, `wsu:Id="_evil`)), codeBadRequest},
		"the same ID twice": {replace(program, bodyOf(program), bodyOf(program)+bodyOf(program)), codeBadRequest},

		"renewal of a forged one":       {f.recordedRenew(sts.TokenRequest{Userinfo: user, Token: strings.Replace(renewable, "dev@", "root@", 1)}), codeInvalidSecurityToken},
		"renewal of what may not be":    {f.recordedRenew(sts.TokenRequest{Userinfo: user, Token: f.assertion(Options{})}), codeUnableToRenew},
		"renewal without the key":       {f.recordedRenew(sts.TokenRequest{Userinfo: user, Token: bound}), codeInvalidSecurityToken},
		"renewal of nothing":            {replace(f.recordedRenew(sts.TokenRequest{Userinfo: user, Token: renewable}), between(f.recordedRenew(sts.TokenRequest{Userinfo: user, Token: renewable}), "<RenewTarget>", "</RenewTarget>")[:0]+"<RenewTarget>", "<Other>", "</RenewTarget>", "</Other>"), codeInvalidRequest},
		"acting without the right":      {f.recordedIssue(sts.TokenRequest{Userinfo: user, Certificate: stranger, ActAs: true, Token: delegatable}), codeRequestFailed},
		"acting as one who did not ask": {f.recordedIssue(sts.TokenRequest{Certificate: f.program, ActAs: true, Token: f.assertion(Options{})}), codeRequestFailed},
		"acting as a forged one":        {f.recordedIssue(sts.TokenRequest{Userinfo: url.User(""), Certificate: f.program, ActAs: true, Token: strings.Replace(delegatable, `\team`, `\root`, 1)}), codeInvalidSecurityToken},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := f.post(test.request)
			if status != http.StatusInternalServerError || !strings.Contains(answer, "wst:"+test.code+"<") || strings.Contains(answer, "Assertion ") {
				t.Errorf("got %d %s, want %s", status, answer, test.code)
			}
			if strings.Contains(answer, "right") {
				t.Errorf("a password is in the answer: %s", answer)
			}
		})
	}
	for name, request := range map[string]string{"bearer": bearer, "holder": holder, "program": program} {
		if status, answer := f.post(request); status != http.StatusOK {
			t.Fatalf("%s: the one they were made of: %s", name, answer)
		}
	}
	f.now = f.now.Add(12 * time.Minute)
	if _, answer := f.post(bearer); !strings.Contains(answer, codeExpiredData) {
		t.Errorf("a request of long ago: %s", answer)
	}
}

func TestRenewalsComeToAnEnd(t *testing.T) {
	f := newFixture(t)
	token := f.assertion(Options{Renewable: true, Life: time.Hour})
	c := f.client()
	renewals := 0
	for ; renewals < 20; renewals++ {
		s, err := c.Renew(t.Context(), sts.TokenRequest{Userinfo: user, Token: token})
		if err != nil {
			break
		}
		token = s.Token
	}
	if renewals != maxRenewals {
		t.Errorf("%d renewals", renewals)
	}
	if life := lifeOf(time.Hour, false, f.now.Add(-MaxBearerTotal+time.Minute), f.now); life != time.Minute {
		t.Errorf("a bearer's assertion outlives the day: %v", life)
	}
	f.people.gone = true
	if _, err := c.Renew(t.Context(), sts.TokenRequest{Userinfo: user, Token: f.assertion(Options{Renewable: true})}); err == nil || !strings.Contains(err.Error(), codeFailedAuthentication) {
		t.Errorf("of a deleted user: %v", err)
	}
}

func TestARequestForABearersAssertionByAKeyIsNotRepeated(t *testing.T) {
	f := newFixture(t)
	request := f.recordedIssue(sts.TokenRequest{Certificate: f.program, KeyType: nsTrust + "/Bearer", KeyID: "_k"})
	if status, answer := f.post(request); status != http.StatusOK || !strings.Contains(answer, methodBearer) {
		t.Fatalf("%d %s", status, answer)
	}
	if _, answer := f.post(request); !strings.Contains(answer, "made before") {
		t.Errorf("again: %s", answer)
	}
}

func TestValidate(t *testing.T) {
	f := newFixture(t)
	request := func(token string) string {
		r := f.recordedRenew(sts.TokenRequest{Userinfo: user, Token: token})
		return strings.NewReplacer("RenewTarget>", "ValidateTarget>", "200512/Renew", "200512/Validate").Replace(r)
	}
	good := f.assertion(Options{})
	if _, answer := f.post(request(good)); !strings.Contains(answer, nsTrust+"/status/valid<") {
		t.Errorf("got %s", answer)
	}
	if _, answer := f.post(request(strings.Replace(good, "dev@", "root@", 1))); !strings.Contains(answer, nsTrust+"/status/invalid<") {
		t.Errorf("forged: %s", answer)
	}
	f.people.gone = true
	if _, answer := f.post(request(good)); !strings.Contains(answer, nsTrust+"/status/invalid<") {
		t.Errorf("deleted: %s", answer)
	}
}

func TestSignHeadersThatAreNone(t *testing.T) {
	for _, header := range []string{"", "Basic x", "SIGN", "SIGN token", `SIGN token="!"`, `SIGN token="aGVsbG8="`, `SIGN token="", token=""`, `SIGN token="H4sIAAAAAAAA"`, `SIGN "`} {
		if _, err := ParseSignHeader(header); err == nil {
			t.Errorf("%q was taken", header)
		}
	}
}

func FuzzRequest(f *testing.F) {
	x := &fixture{people: &people{}, now: time.Now()}
	x.Service = &Service{Issuer: testIssuer, Keys: newKeyring(f), Directory: x.people, Now: func() time.Time { return x.now }}
	f.Add([]byte(`<S:Envelope xmlns:S="` + nsEnvelope + `"><S:Header><wsse:Security xmlns:wsse="` + nsSecurity + `" xmlns:wsu="` + nsUtility + `"><wsu:Timestamp><wsu:Created>` + format(x.now) +
		`</wsu:Created><wsu:Expires>` + format(x.now.Add(time.Minute)) + `</wsu:Expires></wsu:Timestamp><wsse:UsernameToken><wsse:Username>dev@pacific.local</wsse:Username><wsse:Password>x</wsse:Password></wsse:UsernameToken></wsse:Security></S:Header><S:Body><RequestSecurityToken xmlns="` +
		nsTrust + `"><RequestType>` + nsTrust + `/Issue</RequestType><KeyType>` + nsTrust + `/Bearer</KeyType></RequestSecurityToken></S:Body></S:Envelope>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, answer := x.post(string(data)); strings.Contains(answer, "<saml2:Assertion") {
			t.Errorf("an assertion for nobody:\n%s", data)
		}
	})
}

func FuzzSignHeader(f *testing.F) {
	f.Add(`SIGN token="H4sIAAAAAAAA/0rLzwcAAAD//w==", nonce="1:2", signature="", signature_alg="RSA-SHA256"`)
	f.Fuzz(func(t *testing.T, header string) { _, _ = ParseSignHeader(header) })
}

package exchange

import (
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// Names of RFC 8693.
const (
	grantType    = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeSAML2    = "urn:ietf:params:oauth:token-type:saml2"
	typeJWT      = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken  = "urn:ietf:params:oauth:token-type:id_token"
	typeAccess   = "urn:ietf:params:oauth:token-type:access_token"
	maxAssertion = 256 << 10
	maxRequest   = 2 * maxAssertion // base64 and form encoding
)

// request is what a client asks for.
type request struct {
	Assertion []byte
	Audience  string
	// Type of the token that is issued: the name that the client used for a JWT.
	Type string
}

// failure is an error of RFC 6749, section 5.2.
type failure struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func (f *failure) Error() string { return f.Code + ": " + f.Description }

func invalid(description string) *failure {
	return &failure{Status: http.StatusBadRequest, Code: "invalid_request", Description: description}
}

// parse reads a form; each parameter may be given once (RFC 6749, section 3.2).
func parse(contentType string, body []byte) (request, error) {
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "application/x-www-form-urlencoded" {
		return request{}, invalid("the Content-Type must be application/x-www-form-urlencoded")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return request{}, invalid("the body is no form: " + err.Error())
	}
	for name, values := range form {
		if len(values) > 1 {
			return request{}, invalid("parameter " + name + " is given more than once")
		}
	}
	return decide(form)
}

func decide(form url.Values) (request, error) {
	if got := form.Get("grant_type"); got != grantType {
		return request{}, &failure{Status: http.StatusBadRequest, Code: "unsupported_grant_type", Description: "the grant_type must be " + grantType}
	}
	if got := form.Get("subject_token_type"); got != typeSAML2 {
		return request{}, invalid("the subject_token_type must be " + typeSAML2)
	}
	if form.Has("actor_token") || form.Has("actor_token_type") {
		return request{}, invalid("an actor_token is not supported: nobody acts for somebody else here")
	}
	if form.Get("scope") != "" {
		return request{}, &failure{Status: http.StatusBadRequest, Code: "invalid_scope", Description: "there are no scopes: leave scope out"}
	}
	wanted := form.Get("requested_token_type")
	switch wanted {
	case "":
		wanted = typeJWT
	case typeJWT, typeIDToken, typeAccess:
	default:
		return request{}, invalid("the requested_token_type must be " + typeJWT)
	}
	if form.Get("audience") == "" {
		return request{}, invalid("parameter audience is missing: name the Supervisor that the token is for")
	}
	assertion, err := decodeAssertion(form.Get("subject_token"))
	if err != nil {
		return request{}, err
	}
	return request{Assertion: assertion, Audience: form.Get("audience"), Type: wanted}, nil
}

// decodeAssertion undoes base64, which RFC 8693 (section 3) takes from RFC 7522: base64url without padding. Others have been seen,
// and an assertion as it is.
func decodeAssertion(token string) ([]byte, error) {
	token = strings.TrimSpace(token)
	if token == "" {
		return nil, invalid("parameter subject_token is missing")
	}
	if strings.HasPrefix(token, "<") {
		return bounded([]byte(token))
	}
	unpadded := strings.TrimRight(token, "=")
	for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		if data, err := encoding.DecodeString(unpadded); err == nil {
			return bounded(data)
		}
	}
	return nil, invalid("the subject_token is not base64url")
}

func bounded(assertion []byte) ([]byte, error) {
	if len(assertion) > maxAssertion {
		return nil, invalid("the subject_token is too large")
	}
	return assertion, nil
}

package exchange

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/klog/v2"

	"pacific/internal/center/rest"
)

// TokenPath is where tokens are exchanged.
const TokenPath = "/token-exchange"

// Routes are the exchange at [TokenPath], and below the issuer's path its keys and how to find them. These need no session: the
// assertion says who asks. Their answers have the forms of their own specifications. Administrators can see and
// replace the keys.
func (s *Service) Routes() []rest.Route {
	base := s.issuerPath()
	return append(s.administration(),
		rest.Route{Method: http.MethodPost, Path: TokenPath, Access: rest.Anyone, Quiet: true, Handle: raw(s.serveExchange)},
		rest.Route{Method: http.MethodGet, Path: base + "/jwks", Access: rest.Anyone, Handle: raw(s.serveJWKS)},
		rest.Route{Method: http.MethodGet, Path: base + "/.well-known/openid-configuration", Access: rest.Anyone, Handle: raw(s.serveDiscovery)},
	)
}

func raw(handle http.HandlerFunc) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		return rest.Raw(func(w http.ResponseWriter) { handle(w, r.Request) }), nil
	}
}

// issuerPath is the path of the issuer's URL.
func (s *Service) issuerPath() string {
	issuer, err := url.Parse(s.config.Issuer)
	if err != nil {
		return ""
	}
	return issuer.Path
}

// answer of RFC 8693, section 2.2.1.
type answer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
}

func (s *Service) serveExchange(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		writeFailure(w, invalid("the body cannot be read, or is larger than 512 KiB"))
		return
	}
	wanted, err := parse(r.Header.Get("Content-Type"), body)
	if err != nil {
		writeFailure(w, err)
		return
	}
	token, err := s.exchange(r.Context(), wanted)
	if err != nil {
		writeFailure(w, err)
		return
	}
	kind := "Bearer"
	if wanted.Type == typeIDToken {
		kind = "N_A"
	}
	writeJSON(w, http.StatusOK, answer{AccessToken: token, IssuedTokenType: wanted.Type, TokenType: kind, ExpiresIn: int(TokenLife.Seconds())})
}

func (s *Service) serveJWKS(w http.ResponseWriter, r *http.Request) {
	set, err := s.JWKS(r.Context())
	if err != nil {
		writeFailure(w, err)
		return
	}
	writeJSON(w, http.StatusOK, set)
}

// discovery is what OpenID Connect Discovery 1.0, section 3, requires, as far as it makes sense without a browser.
type discovery struct {
	Issuer                 string                    `json:"issuer"`
	JWKSURI                string                    `json:"jwks_uri"`
	TokenEndpoint          string                    `json:"token_endpoint,omitempty"`
	GrantTypesSupported    []string                  `json:"grant_types_supported"`
	ResponseTypesSupported []string                  `json:"response_types_supported"`
	SubjectTypesSupported  []string                  `json:"subject_types_supported"`
	SigningAlgorithms      []jose.SignatureAlgorithm `json:"id_token_signing_alg_values_supported"`
}

func (s *Service) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	document := discovery{
		Issuer:                 s.config.Issuer,
		JWKSURI:                s.config.Issuer + "/jwks",
		GrantTypesSupported:    []string{grantType},
		ResponseTypesSupported: []string{"none"},
		SubjectTypesSupported:  []string{"public"},
		SigningAlgorithms:      []jose.SignatureAlgorithm{jose.ES256},
	}
	if origin, err := url.Parse(s.config.Issuer); err == nil {
		document.TokenEndpoint = (&url.URL{Scheme: origin.Scheme, Host: origin.Host, Path: TokenPath}).String()
	}
	writeJSON(w, http.StatusOK, document)
}

func writeFailure(w http.ResponseWriter, err error) {
	var known *failure
	if !errors.As(err, &known) {
		klog.ErrorS(err, "Token exchange failed")
		known = &failure{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: "center cannot do this now: try again, and see its log"}
	}
	writeJSON(w, known.Status, known)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

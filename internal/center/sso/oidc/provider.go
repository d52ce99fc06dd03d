// Package oidc is the external identity sources that speak OpenID Connect: who has an ID token of one of them has signed in.
package oidc

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Provider is an identity source. The names of fields are the original's; Domain is what its people's names end with.
type Provider struct {
	DisplayName string `json:"display_name"`
	IssuerURL   string `json:"issuer_url"`
	// UsernameClaim and GroupsClaim are the claims with the user's name and groups; "sub" and "groups" if empty.
	UsernameClaim string `json:"username_claim,omitempty"`
	GroupsClaim   string `json:"groups_claim,omitempty"`
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret,omitempty"`
	// CertificateAuthorityData is the PEM certificate that the provider's is verified by; the machine's authorities if empty.
	CertificateAuthorityData      string              `json:"certificate_authority_data,omitempty"`
	AdditionalScopes              []string            `json:"additional_scopes,omitempty"`
	AdditionalAuthorizeParameters map[string][]string `json:"additional_authorize_parameters,omitempty"`
	Domain                        string              `json:"domain,omitempty"`
	// Supervisor for which it was made; empty if for all of center.
	Supervisor string `json:"supervisor,omitempty"`
}

// ErrInvalid is for a provider that cannot work.
var ErrInvalid = errors.New("invalid")

var domainPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// complete fills in what may be left out, and says all that is wrong.
func (p *Provider) complete() error {
	var faults []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...))
		}
	}
	issuer, err := url.Parse(p.IssuerURL)
	demand(err == nil && issuer != nil && issuer.Scheme == "https" && issuer.Host != "" && issuer.RawQuery == "" && issuer.Fragment == "" && issuer.User == nil,
		"issuer_url %.256q must be an https URL without a query", p.IssuerURL)
	if p.Domain == "" && issuer != nil {
		p.Domain = strings.ToLower(issuer.Hostname())
	}
	demand(domainPattern.MatchString(p.Domain), "domain %.256q must be a DNS name in lower case", p.Domain)
	demand(p.DisplayName != "" && len(p.DisplayName) <= 256, "display_name must have 1 to 256 characters")
	demand(p.ClientID != "" && len(p.ClientID) <= 1024, "client_id is missing: it is the audience of the provider's tokens")
	if p.CertificateAuthorityData != "" {
		demand(x509.NewCertPool().AppendCertsFromPEM([]byte(p.CertificateAuthorityData)), "certificate_authority_data holds no certificate in PEM")
	}
	return errors.Join(faults...)
}

func (p Provider) usernameClaim() string { return orElse(p.UsernameClaim, "sub") }
func (p Provider) groupsClaim() string   { return orElse(p.GroupsClaim, "groups") }

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

package ociclient

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Endpoint is one registry that may have an image.
type Endpoint struct {
	Host      string // host or host:port
	PlainHTTP bool
	Auth      authn.Authenticator // nil for none
}

// Endpoints lists where to look for an image: the mirrors ("host:port" or with a scheme) first, without the credentials,
// which are the registry's and not theirs.
func Endpoints(registry Endpoint, mirrors []string) []Endpoint {
	var all []Endpoint
	for _, mirror := range mirrors {
		host, plain := strings.CutPrefix(mirror, "http://")
		all = append(all, Endpoint{Host: strings.TrimPrefix(host, "https://"), PlainHTTP: plain})
	}
	return append(all, registry)
}

// Credentials make an authenticator; nil when there are none.
func Credentials(username, password, identityToken, registryToken string) authn.Authenticator {
	c := authn.AuthConfig{Username: username, Password: password, IdentityToken: identityToken, RegistryToken: registryToken}
	if c == (authn.AuthConfig{}) {
		return nil
	}
	return authn.FromConfig(c)
}
